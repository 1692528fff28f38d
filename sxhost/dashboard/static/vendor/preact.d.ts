export const options: { debounceRendering?: (draw: () => void) => void };
export function h(type: any, props: any, ...children: any[]): any;
export function render(view: any, place: Element): void;
