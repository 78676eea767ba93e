/** Why a signature, a key, a statement or a document proves nothing. `evidence/faults.js` has a sentence for each. */

/** Something is not as it should be. `code` is a name of `docs/audit-log.md`; the message never quotes the input. */
export class Fault extends Error {
  constructor(code, message = code) {
    super(message);
    this.name = "Fault";
    this.code = code;
  }
}
