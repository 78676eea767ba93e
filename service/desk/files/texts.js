// Every text of the desk. English; another language is another such module.

const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const texts = {
  title: "Rootquorum",
  skip: "Skip to the content",
  count: (count, unit) => plural(count, unit),
  in: (words) => `in ${words}`,
  ago: (words) => `${words} ago`,
  soon: "within a minute",
  justNow: "just now",
  none: "none",
  unknown: "not known",
  yes: "yes",
  no: "no",

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
    approveBy: "Approve",
    executeBy: "Execute",
    nothing: "There is no such request.",
    more: "Show more",
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
};
