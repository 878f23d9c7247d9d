export { XlnError } from './errors.js';
export * from './lite/api.js';
