type Update<T> = T | ((before: T) => T);
export function useState<T>(first: T | (() => T)): [T, (next: Update<T>) => void];
export function useEffect(effect: () => void | (() => void), inputs?: readonly unknown[]): void;
export function useLayoutEffect(effect: () => void | (() => void), inputs?: readonly unknown[]): void;
export function useMemo<T>(make: () => T, inputs?: readonly unknown[]): T;
export function useRef<T>(first: T): { current: T };
export function useErrorBoundary(): [any, () => void];
