/**
 * What this package throws. `code` is stable and meant for programs; the message is meant for people.
 */
export class XlnError extends Error {
  override readonly name: string = 'XlnError';
  /** What went wrong, such as `invalid_argument` or `delta_overflow`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
