// Every text of the desk. English; another language is another such module.

const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

const event = (number) => `event ${number.toLocaleString("en")}`;

const TELL = "Tell the auditors, by another way than this service.";

export const texts = {
  title: "Rootquorum",
  skip: "Skip to the content",
  in: (words) => `in ${words}`,
  ago: (words) => `${words} ago`,
  soon: "within a minute",
  justNow: "just now",
  none: "none",
  unknown: "not known",
  yes: "yes",

  nav: { waiting: "Waiting for you", mine: "Mine", all: "All", keys: "Keys", label: "Views" },
  footer: { api: "The API, in Swagger UI" },

  signIn: {
    title: "Sign in",
    again: "Sign in again",
    ended: "Your sign-in has ended. Sign in again to go on here.",
    lead: "You come back to this page. A token is kept until you close or reload it, and nowhere else.",
    at: (issuer) => `Sign in with ${issuer}`,
    waiting: "Sign in in the window that has opened. If you closed it, press the button again.",
    token: "Use a token",
    tokenLabel: "Token",
    tokenHint: "An API token, or a token of your provider. It is shown as dots.",
    tokenButton: "Sign in with the token",
    out: "Sign out",
    noToken: "This is no token. A token is one line of letters, digits and signs, without spaces.",
    blocked: "Your browser has blocked the window. Allow windows for this page, and try again.",
    refused: (why) => `The provider signed nobody in: ${why || "no code"}.`,
    another: "You are now signed in as somebody else. The page is shown anew.",
    insecure: "This page is not served over https, so your browser lets it neither sign you in nor compute digests.",
  },

  connection: {
    offline: "The service does not answer. What you see may be out of date. The page tries again by itself.",
    lost: "The service did not answer. Whether it did this is not known: look at the request before you try again.",
    retry: "Try again",
  },

  problem: {
    title: "That did not work",
    notFound: "There is no such page",
    notFoundLead: "The address leads to no view of the desk.",
    fault: "The page has a fault",
    faultLead: "This is a defect of the page. Nothing was sent by it. Load it again, or use the terminal.",
    field: (location, reason) => `${location}: ${reason}`,
  },

  list: {
    nothingWaits: "Nothing waits for you. This page looks again by itself.",
    waits: (count) => `${plural(count, "request waits", "requests wait")} for you.`,
    moreWait: "More than 100 requests wait for you. These are the newest.",
    warnings: (count) => `${plural(count, "warning")}:`,
    from: "Asked for by",
    to: "for",
    approveBy: "Time to approve ends",
    executeBy: "Time to execute ends",
    nothing: "There is no such request.",
    more: "Show more",
    older: "There are older ones, too: see All.",
    filters: "Filter",
    filterButton: "Show these",
    clear: "Show all",
    any: "any",
    filter: {
      status: "Status",
      account_id: "Account id",
      operation: "Operation",
      requester: "Requester (subject)",
      recipient: "Recipient (subject)",
      ticket: "Ticket",
    },
  },

  status: {
    pending: "Waits for approval",
    approved: "Approved, not executed",
    executing: "Being executed",
    in_doubt: "In doubt: AWS did not answer clearly",
    delivered: "Key delivered, receipt not confirmed",
    succeeded: "Done",
    failed: "Failed",
    rejected: "Rejected",
    withdrawn: "Withdrawn",
    expired: "Expired",
    rolled_back: "Rolled back",
  },

  operation: {
    create_access_key: "Create a root access key",
    deactivate_access_key: "Deactivate a root access key",
    activate_access_key: "Activate a root access key",
    delete_access_key: "Delete a root access key",
    delete_login_profile: "Delete the root password",
    allow_password_recovery: "Allow recovery of the root password",
    deactivate_mfa_device: "Remove an MFA device of root",
    delete_signing_certificate: "Delete a signing certificate of root",
  },

  // As in `service/domain/briefing.py`.
  cautions: {
    keysExist: (count) => `The root user has ${count === 1 ? "one access key" : `${count} access keys`} already.`,
    noMfa: "The root user has no MFA device.",
    lastMfa: "This is the root user's only MFA device.",
    recentlyUsed: (age) => `This key was used ${age} before the request was filed.`,
    lessThanAnHour: "less than an hour",
    signer: "The service itself signs with this key.",
    lastActive: "This is the root user's only active key.",
    stillActive: "This key is still active. AWS advises to deactivate it first.",
    lockout: "The requester accepts that this may lock the service out.",
  },

  request: {
    account: "Account",
    target: "What it is about",
    requester: "Asked for by",
    machine: "a machine",
    recipient: "Executed by, and the secret goes to",
    executor: "Executed by requester or",
    justification: "Why",
    ticket: "Ticket",
    status: "Status",
    warning: "Warning",
    picture: "The account's root user, when this was filed",
    observedAt: "Looked at",
    noKeys: "The root user has no access key.",
    key: "Access key",
    created: "Created",
    lastUsed: "Last used",
    neverUsed: "never, as far as AWS reports; that lags by hours",
    usedFor: (service) => `for ${service}`,
    thisOne: "This is the one",
    signer: "The service signs with it",
    mfa: "MFA",
    mfaNone: "none",
    password: "Console password",
    certificates: "Signing certificates",
    present: "present",
    absent: "absent",
    decisions: "Decisions",
    noDecision: "Nobody has decided yet.",
    decision: { approve: "approved", reject: "rejected" },
    signed: "signed with their own key",
    void: (why) => `Does not count: ${why}`,
    counted: (counted, needed) => `${counted} of ${needed} approvals count.`,
    missing: "Still missing",
    missingOf: (count, groups) =>
      groups.length ? `${count} of ${groups.join(" or ")}` : `${plural(count, "approval")} of anybody who may`,
    could: "Could approve",
    away: "away until",
    signatures: {
      off: null,
      enrolled: "Whoever has a key that counts has to sign their approval.",
      required: "Every approval has to be signed with its approver's own key.",
    },
    clocks: "Clocks",
    clock: {
      filed_at: "Filed",
      approve_by: "To be approved until",
      approved_at: "Approved",
      execute_by: "To be executed until",
      executed_at: "Executed",
      settled_at: "Result known",
      receipt_by: "Receipt to be confirmed until",
      received_at: "Receipt confirmed",
      deactivated_at: "Key deactivated",
      expires_at: "End of the key's lifetime",
      expiry_failed_at: "The key outlives its lifetime since",
      retired_at: "Key deleted",
      ended_at: "Ended",
    },
    lifetime: "The key works for",
    noEnd: "no end",
    receiptWindow: "Its receipt is confirmed within",
    grace: "A deactivated key is deleted after",
    result: "Result",
    newKey: "New key",
    executedBy: "Executed by",
    source: "Credential",
    awsId: "AWS request",
    more: "Digest, rules and ids",
    digest: "Digest",
    digestLead:
      "SHA-256 of everything that was filed, as the service says it. Before a signature this page computes it.",
    digestWords: "The digest in words",
    id: "Id",
    rules: "Rules in force",
    lockout: "May lock the service out",
    byItself: "Runs by itself, once approved",
    actions: "What you can do",
    action: {
      approve: "Approve",
      reject: "Reject",
      withdraw: "Withdraw",
      execute: "Execute",
      confirm_receipt: "Confirm the receipt",
    },
    nothing: "Nothing, at the moment.",
    notAllowed: "What you cannot do, and why",
    changed: (status) => `Meanwhile something has changed. The status is: ${status}.`,
  },

  members: {
    id: "id",
    digest: "digest",
    operation: "operation",
    account_id: "account",
    target: "target",
    requester: "requester",
    recipient: "recipient",
    justification: "justification",
    ticket: "ticket",
    run_on_approval: "when it runs",
    accept_lockout: "lock-out",
    lifetime_seconds: "lifetime",
  },

  demands: {
    approvals: "approvals",
    quorum: "quorum",
    max_lifetime_seconds: "longest lifetime in seconds",
    require_root_mfa: "the root user has MFA",
    ticket_required: "a ticket",
    approval_comment: "a comment with each approval",
    decision_amr: "a sign-in by",
    hours: "hours",
    signed_approvals: "signatures",
  },

  deciding: {
    title: "You are about to approve",
    lead: "All of this is read from the document that was filed, whose digest this page has computed.",
    unnamed:
      "This service's log has no name, so it gives no document to compute the digest of. You approve what stands " +
      "above.",
    subjects: "People and accounts stand here as they were filed: by their subjects and ids.",
    placement: "called",
    approvals: "Approvals",
    people: (count, signed) => `${plural(count, "person", "people")}; signatures: ${signed}`,
    demand: "Rule",
    rules: "Signed rules",
    rest: "The rest of the document",
    log: "The service's log",
    first: (size) =>
      `${size.toLocaleString("en")} events. This page has seen none before, so it compares them with nothing: it ` +
      "stores nothing. The terminal does.",
    grown: (size, before) =>
      `${size.toLocaleString("en")} events. They begin with the ${before.toLocaleString("en")} that this page saw ` +
      "before.",
    service: "Service",
    you: "You",
    whole: "The document, as it is hashed",
    comment: "Comment",
    commentHint: "For the requester and the log. It is not signed. Optional, unless a rule demands it.",
    withPasskey: "Approve with a passkey",
    without: "Approve without a signature",
    cancel: "Cancel",
    terminal: "Rather in a terminal",
    terminalLead:
      "A page can lie, and so can the service that sends it. The terminal's program comes from elsewhere, and " +
      "remembers the log:",
    noPasskey:
      "None of your keys that count is a passkey for this site. Approve in a terminal with the key that you have:",
    notComputed:
      "This page does not understand everything that was filed. What it cannot show, it does not let you sign.",
    anotherRequest: "The service gave the document of another request. Nothing was sent.",
    different: (members) =>
      `STOP. What this page showed is not what you would approve: ${members.join(", ")}. Nothing was sent. ` +
      TELL,
    changed: `STOP. The document has changed since this page showed it. Nothing was sent. ${TELL}`,
    done: {
      approve: "You have approved this.",
      reject: "You have rejected this.",
      withdraw: "You have withdrawn this.",
    },
    rejectTitle: "Reject",
    rejectLead: "This ends the request for good, even if it is approved already.",
    reason: "Reason",
    reasonHint: "For the requester and the log.",
    reject: "Reject this request",
    withdrawTitle: "Withdraw",
    withdrawLead: "This ends your request for good. You can file another one.",
    withdraw: "Withdraw this request",
  },

  heads: {
    anotherService: (before, now) =>
      `STOP. This service was ${before}, and now says that it is ${now}. Nothing was signed. ${TELL}`,
    empty: "The service's log is empty. Nothing was signed.",
    noName: `STOP. This service's log had a name before, and now has none. Nothing was sent. ${TELL}`,
    anotherLog: (size) =>
      `STOP. The service does not prove that its log begins with the ${size.toLocaleString("en")} events that this ` +
      "page saw before. " +
      `Nothing was signed. ${TELL}`,
  },

  signing: {
    noStatement: "What the service asks you to sign is no statement of this kind. Nothing was signed.",
    another: (name) => `The service's statement is about another ${name.replace("_id", "")}. Nothing was signed.`,
    clocks: "The time in the service's statement is not that of your clock. Nothing was signed.",
    noPasskeys: "Passkeys cannot be used here: by this browser, over this address, or by the service's settings.",
    otherKey: "The passkey that you chose is none of your keys that count here. Nothing was sent. Try another one.",
    cancelled: "No passkey was used. Nothing was sent. Try again, and choose the passkey of this site.",
    wrongSite: (site) => `Passkeys of this service belong to ${site}, which is not where this page comes from.`,
    unsupported: "This authenticator makes no key that the service takes (ES256). Nothing was sent.",
  },

  keys: {
    lead:
      "An approval that is signed needs a key that only its person has. A key counts once enough others have " +
      "endorsed it.",
    own: "Your keys",
    others: "Keys of others",
    none: "You have no key.",
    noneOfOthers: "Nobody else has one.",
    noPasskeys:
      "No passkey can be registered here: this browser, this address or the service's settings do not allow it. " +
      "Register a key of OpenSSH in a terminal: rootquorum signing-key add.",
    founder: "Founder's key",
    counts: "Counts",
    fault: {
      "unregistered": "Does not count: not registered",
      "revoked": "Does not count: revoked",
      "claimed-twice": "Does not count: two people claim it",
      "not-endorsed": "Does not count yet: too few have endorsed it",
    },
    person: "Whose",
    kind: "Kind",
    passkey: (site) => `passkey for ${site}`,
    words: "Words to read aloud",
    fingerprint: "Fingerprint",
    endorsers: "Endorsed by",
    byFounder: "the settings, which name its person as a founder",
    endorsed: (count, needed) => `${count} of ${needed}`,
    registered: "Registered",
    revocations: "Revoked",
    revocation: (reason, by, since) =>
      `${reason}, by ${by}${since === null ? "" : `; not to be trusted from ${event(since)} on`}`,
    by: { person: "its person", operator: "an operator", rules: "the rules" },
    register: "Register a passkey",
    registerLead:
      "Your browser asks twice: to make the passkey, and to sign with it that it is yours. Then read its words to " +
      "those who endorse it, by another way than this service.",
    name: "Name",
    nameHint: "Your own name for it, such as: YubiKey, blue.",
    nameMissing: "Give the key a name.",
    registerButton: "Make the passkey",
    registeredNow: "The passkey is registered.",
    endorse: "Endorse",
    endorseWho: "Call, or meet:",
    endorseLead: "Let them read the words of their key from their own screen, and compare each.",
    compared: "I have compared all words with this person, by another way than this service.",
    notCompared: "Compare the words first. Nothing was signed.",
    endorseButton: "Endorse with my passkey",
    cannotEndorse:
      "You have no passkey for this site that counts. With another key that counts, endorse in a terminal: " +
      "rootquorum signing-key endorse.",
    endorsedNow: "You have endorsed the key.",
    revoke: "Revoke",
    revokeLead: "This is for good. Approvals that the key signed no longer count.",
    why: "Why",
    reason: { retired: "It is no longer used", compromised: "It may be in somebody else's hands" },
    since: "Not to be trusted since",
    sinceHint:
      "Only for one in somebody else's hands: a size of the log from before that. Without it, nothing that it ever " +
      "endorsed counts.",
    sinceWrong: "The size of the log is a whole number. Nothing was sent.",
    revokeButton: "Revoke the key",
  },
};
