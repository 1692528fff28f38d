# Three hosts over one PostgreSQL database with haproxy in front, on this machine: to try it out.
# Run: createdb sxhost && sh cluster/try.sh [postgresql:///sxhost]     Ctrl-C ends all of it.
# Each port can be given: BIND (haproxy's place) and BASE (the nodes' ports begin after it).
set -eu
store=${1:-postgresql:///sxhost}
base=${BASE:-7432}
place=$(mktemp -d)
running=
export BIND="${BIND:-127.0.0.1:7432}"
trap 'kill $running 2>/dev/null; wait; rm -rf "$place"' EXIT
trap exit INT TERM

for node in a b c; do
    base=$((base + 1))
    mkdir -m 700 "$place/$node"
    # All have one token, the first one's.
    [ "$node" = a ] || install -m 600 "$place/a/token" "$place/$node/token"
    sxhost serve --store "$store" --cluster active --port "$base" --state-dir "$place/$node" \
        > "$place/$node.log" 2>&1 &
    running="$running $!"
    until curl -fs "http://127.0.0.1:$base/ready" > /dev/null; do
        kill -0 $! 2>/dev/null || { cat "$place/$node.log" >&2; exit 1; }
        sleep 0.2
    done
    echo "Node $node: http://127.0.0.1:$base, process $!, log $place/$node.log"
    case $node in
        a) export NODE_A="127.0.0.1:$base" ;;
        b) export NODE_B="127.0.0.1:$base" ;;
        c) export NODE_C="127.0.0.1:$base" ;;
    esac
done
echo "All of them: export SXHOST_URL=http://$BIND SXHOST_TOKEN_FILE=$place/a/token"
echo "Then: sxhost status; kill -9 one of them; sxhost status"
haproxy -db -f "$(dirname "$0")/haproxy.cfg" &
running="$running $!"
wait $!
