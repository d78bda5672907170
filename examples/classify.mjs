// Labels and scores of texts: node examples/classify.mjs DIRECTORY TEXT...
import { BertCnn } from "bertcnn";

const [directory, ...texts] = process.argv.slice(2);
const model = await BertCnn.fromPretrained(directory);
const results = await model.classify(texts, { topK: 3 });
for (const [i, text] of texts.entries()) {
  console.log(text);
  for (const { label, score } of results[i]) console.log(`  ${label} ${score.toFixed(3)}`);
}
await model.dispose();
