/** The error that the page shows as a message; the message says what can be done. */
export class UserError extends Error {}
