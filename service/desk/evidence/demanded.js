/** What a good signature still has to prove, and a decision's statement still has to say. */
import { microsecondsOf } from "../files/proof/statement.js";

// The flags of an authenticator (W3C Web Authentication, section 6.1).
const [PRESENT, VERIFIED, COPYABLE] = [0x01, 0x04, 0x08 | 0x10];
const SECOND = 1_000_000;
const SKEW = 30 * SECOND;

/**
 * Return the faults of a good signature that does not prove what is demanded. OpenSSH asks for none of it.
 *
 * `demands` is `{rp_id, origins, user_verified, only_hardware, only_device_bound}`, as rules and vectors have it.
 */
export function unmet({ key, assertion }, demands) {
  const { only_hardware: onlyHardware, only_device_bound: onlyDeviceBound } = demands;
  if (assertion === null) return onlyHardware || onlyDeviceBound ? ["not-hardware"] : [];
  const { flags, site } = assertion;
  const isOnSite = site === null
    ? key.application.startsWith("ssh:")
    : key.application === demands.rp_id && demands.origins.includes(site.origin) && !site.isFramed;
  const faults = {
    "not-touched": !(flags & PRESENT),
    "not-verified": demands.user_verified && !(flags & VERIFIED),
    "not-device-bound": onlyDeviceBound && Boolean(flags & COPYABLE),
    "wrong-site": !isOnSite,
  };
  return Object.keys(faults).filter((fault) => faults[fault]);
}

/**
 * Return the faults of a decision's statement that says something else than expected.
 *
 * `expected` has `service`, `request_id`, `digest`, `decision`, `person`, `drill`; `oldest_size`, the smallest size that was
 * not too old; `had_head`, whether the log had the head; and in microseconds since 1970 `recorded_at`, and `head_at`,
 * the time of the last event known to be in that head, or null.
 */
export function disagreements(statement, expected) {
  const at = microsecondsOf(statement.at);
  const earliest = expected.head_at === null ? -Infinity : expected.head_at - (expected.head_at % SECOND) - SKEW;
  const wrong = {
    "another-service": statement.service !== expected.service,
    "another-request": statement.request_id !== expected.request_id,
    "another-digest": statement.digest !== expected.digest,
    "another-decision": statement.decision !== expected.decision,
    "another-person": statement.person !== expected.person,
    "another-purpose": (statement.drill === true) !== expected.drill,
    "another-log": !expected.had_head,
    "too-old": statement.log.size < expected.oldest_size,
    "wrong-time": at > expected.recorded_at + SKEW || at < earliest,
  };
  return Object.keys(wrong).filter((fault) => wrong[fault]);
}
