// What a program in TypeScript does with the client that was generated for it, from the filing of a key to its end.
import { createClient } from "./client/client/index.ts";
import * as rootquorum from "./client/sdk.gen.ts";
import type { CreatedKeyOut, CreateAccessKey, DeleteAccessKey, Problem, RequestOut } from "./client/types.gen.ts";
import service from "./service.json" with { type: "json" };

type Person = keyof typeof service.tokens;

const as = (person: Person) => ({ client: createClient({ baseUrl: service.url, auth: service.tokens[person] }) });

function got<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

function refused(answer: { error?: unknown }): Problem {
  if (answer.error === undefined) throw new Error("it was not refused");
  return answer.error as Problem;
}

async function approved(body: CreateAccessKey | DeleteAccessKey): Promise<string> {
  const filed = got(await rootquorum.fileRequest({ ...as("alice"), body }));
  for (const person of ["bob", "carol"] as const) {
    const page = got(await rootquorum.listRequests({ ...as(person), query: { awaiting: "me", limit: 1 } }));
    const read = got(await rootquorum.readRequest({ ...as(person), path: { request_id: page.items[0].id } }));
    const decision = { ...as(person), path: { request_id: read.id }, body: { decision: "approve", digest: read.digest } } as const;
    got(await rootquorum.decide(decision));
    got(await rootquorum.decide(decision)); // as after an answer that was lost
  }
  return filed.id;
}

const justification = "A lifecycle by a generated client.";
const listed = got(await rootquorum.listAccounts(as("alice"))).map((account) => account.account_id);
const [first, second] = listed.filter((account) => service.accounts.includes(account));

const path = { request_id: await approved({ operation: "create_access_key", account_id: first, justification, lifetime: "P30D" }) };
const key = got(await rootquorum.execute({ ...as("alice"), path })) as CreatedKeyOut;
const again = refused(await rootquorum.execute({ ...as("alice"), path }));
const confirmed = got(await rootquorum.confirmReceipt({ ...as("alice"), path }));

const filePath = { request_id: await approved({ operation: "create_access_key", account_id: second, justification }), file: "credentials.csv" } as const;
const file = got(await rootquorum.executeIntoFile({ ...as("alice"), path: filePath }));

const deletion = await approved({ operation: "delete_access_key", account_id: first, justification, access_key_id: key.access_key_id });
const deleted = got(await rootquorum.execute({ ...as("alice"), path: { request_id: deletion } })) as RequestOut;

const misspelt = await rootquorum.fileRequest({ ...as("alice"), body: { operation: "create_acess_key" } as never });

console.log(
  JSON.stringify({
    key,
    again: again.code,
    confirmed: [confirmed.status, confirmed.effect],
    file,
    deleted: [deleted.status, deleted.result?.code],
    misspelt: misspelt.error,
    events: got(await rootquorum.listEvents({ ...as("audrey"), query: { request_id: path.request_id } })).items.map((each) => each.event),
  }),
);
