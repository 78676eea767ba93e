// What the page knows of its installation. It stands in the page itself, and is public.
const { root, signIns, rpId, help } = document.body.dataset;

/** The prefix before every path, such as "" or "/approvals". */
export { root };

/** Where the documents are; empty if this installation has none. */
export { help };

/** The names of the providers that people can sign in at. */
export const issuers = JSON.parse(signIns);

/** The RP id of passkeys; null if this installation takes none. */
export const relyingParty = rpId || null;
