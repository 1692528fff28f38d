declare const htm: { bind<T>(h: (...given: any[]) => T): (texts: TemplateStringsArray, ...values: any[]) => any };
export default htm;
