export function lexer(text: string, options?: { gfm?: boolean }): any[];
