/** Why a signature, a key, a statement or a document proves nothing. */

/** The faults of signatures, keys and statements. `conformance/README.md` has the rule of each. */
export const FAULTS = {
  "malformed": "it is not in the form that OpenSSH writes",
  "unsupported-key": "keys of this kind are not accepted",
  "weak-key": "the key is too weak",
  "another-namespace": "it was made for another purpose",
  "another-hash": "it is not over SHA-512",
  "wrong-signature": "it is not of these bytes by this key",
  "not-hardware": "the key is not one of an authenticator",
  "not-touched": "nobody touched the authenticator",
  "not-verified": "the authenticator did not verify its user",
  "not-device-bound": "the key can be copied to other devices",
  "wrong-site": "it was made for another site",
  "not-a-statement": "these bytes are not a statement of this type",
  "another-service": "the statement is for another log",
  "another-request": "the statement is about another request",
  "another-digest": "the statement is about another filing",
  "another-decision": "the statement says another decision",
  "another-person": "the statement is another person's",
  "another-key": "the statement, the signature and the event are not all of one key",
  "another-log": "this log did not have the head that the statement names",
  "too-old": "the head that the statement names was too old",
  "wrong-time": "the statement's time contradicts the log",
  "unregistered": "nothing says that the key is theirs",
  "revoked": "the key was revoked",
  "claimed-twice": "two people claim the key",
  "not-endorsed": "too few people whose keys count endorsed the key",
  "of-oneself": "nobody endorses their own key",
  "ahead-of-the-log": "the endorsement names a head that was still to come",
  "by-no-key-that-counts": "the endorser's key did not count",
};

/** Something is not as it should be. `code` is a name of `docs/audit-log.md`; the message never quotes the input. */
export class Fault extends Error {
  constructor(code, message = FAULTS[code]) {
    super(message);
    this.name = "Fault";
    this.code = code;
  }
}
