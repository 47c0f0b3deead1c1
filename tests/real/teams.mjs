// Microsoft's own parser of Adaptive Cards reads every card the `teams` kind sends, without a warning, and its Markdown makes
// nothing of what events carry.
//
// The cards are those of the snapshots, which `cargo test` keeps current.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { AdaptiveCard, SerializationContext, Versions } = require("adaptivecards/dist/adaptivecards.js");
const markdown = require("markdown-it")();

const read = (name) => readFileSync(new URL(`../../src/receiver/kinds/snapshots/${name}`, import.meta.url), "utf8");
const requests = ["teams.snap", "teams_cards.snap"].flatMap((name) => read(name).split(/^# /m).slice(1));
const wrong = [];

for (const request of requests) {
  const [name] = request.split("\n", 1);
  const body = request.slice(request.indexOf("\n{"));
  const { type, attachments } = JSON.parse(body.replace(/\nnote: .*/g, ""));
  const [{ contentType, content }] = attachments;
  if (type !== "message" || contentType !== "application/vnd.microsoft.card.adaptive") {
    wrong.push(`${name}: not the envelope a workflow expects`);
  }

  const context = new SerializationContext(Versions.v1_4);
  const card = new AdaptiveCard();
  card.parse(content, context);
  for (let i = 0; i < context.eventCount; i++) {
    wrong.push(`${name}: ${context.getEventAt(i).message}`);
  }
  for (const { failures } of card.validateProperties().validationEvents ?? []) {
    wrong.push(`${name}: ${failures}`);
  }
  const mentioned = (content.msteams.entities ?? []).filter(({ text }) => !JSON.stringify(content.body).includes(text));
  if (mentioned.length > 0) {
    wrong.push(`${name}: nothing in the card says ${mentioned[0].text}`);
  }
  if (card.getItemCount() !== content.body.length) {
    wrong.push(`${name}: ${card.getItemCount()} of ${content.body.length} elements were understood`);
  }

  const facts = content.body.flatMap((element) => element.facts ?? []);
  const texts = [...content.body.map((element) => element.text), ...facts.flatMap((fact) => [fact.title, fact.value])];
  for (const text of texts.filter(Boolean)) {
    const html = markdown.render(text);
    if (name === "hostile" && /<a |<code|<li|<em>|<h[1-6]/.test(html.replaceAll('<a href="https://relay.example/', ""))) {
      wrong.push(`${name}: a value became markup: ${html}`);
    }
  }
}

console.log(`${requests.length} cards, ${wrong.length} complaints`);
wrong.forEach((complaint) => console.error(complaint));
process.exitCode = requests.length > 20 && wrong.length === 0 ? 0 : 1;
