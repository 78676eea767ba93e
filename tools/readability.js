// Reads a JSON list of Markdown texts on stdin, and prints counts over all of them as JSON. Code and tables are left out.
import { text as read } from "node:stream/consumers";
import { daleChall } from "dale-chall";
import { toString } from "nlcst-to-string";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import remarkRetext from "remark-retext";
import retextEnglish from "retext-english";
import { list as irregular } from "./node_modules/retext-passive/lib/list.js";
import { stemmer } from "stemmer";
import { unified } from "unified";
import { visit } from "unist-util-visit";
import { VFile } from "vfile";

const LONG = 20;
const BE = new Set(["am", "are", "be", "been", "being", "is", "was", "were"]);
const participles = new Set(irregular);
// Forms of one word count as one: "approved" is as plain as "approve".
const plain = new Set(daleChall.map((word) => stemmer(word.toLowerCase())));
const counts = { words: 0, sentences: 0, long: 0, passive: 0, unfamiliar: 0 };

// A form of "be" and a participle, with at most one word between them: "is approved", "was not signed".
const isPassive = (words) => words.some((word, at) =>
  BE.has(word) && words.slice(at + 1, at + 3).some((next) => /[^e]ed$/.test(next) || participles.has(next)));

function count() {
  return (tree) => visit(tree, "SentenceNode", (sentence) => {
    const words = [];
    visit(sentence, "WordNode", (word) => {
      const text = toString(word);
      if (/^[a-z][a-z'’-]*$/i.test(text)) words.push(text.toLowerCase());
    });
    if (words.length < 3) return; // a heading of one word, a remark such as "Optional."
    counts.words += words.length;
    counts.sentences += 1;
    counts.long += words.length > LONG;
    counts.passive += isPassive(words);
    counts.unfamiliar += words.filter((word) => !plain.has(stemmer(word))).length;
  });
}

const processor = unified().use(remarkParse).use(remarkGfm).use(remarkRetext, unified().use(retextEnglish).use(count));
for (const text of JSON.parse(await read(process.stdin))) {
  const file = new VFile(text);
  await processor.run(processor.parse(file), file);
}
process.stdout.write(JSON.stringify(counts));
