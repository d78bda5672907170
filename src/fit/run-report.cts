import path from "node:path";

import { readMetricsLog } from "../report/metrics-log.cjs";
import { writeReport } from "../report/report.cjs";
import { nativeModule } from "../native-module.cjs";
import { version } from "../version.cjs";
import type { EvaluatedTexts } from "./evaluate.cjs";
import type { FitResult } from "./fit.cjs";
import { METRICS_FILE } from "./run-logs.cjs";
import type { RunParts } from "./training-run.cjs";

/** Writes `report.html` into the run's folder. */
export async function writeRunReport(
  { model, data, known, settings, identity, folder, groups }: RunParts,
  result: FitResult,
  evaluated: EvaluatedTexts | undefined,
): Promise<void> {
  const { steps, evaluations } = await readMetricsLog(path.join(folder.folder, METRICS_FILE));
  const { evalDataset } = settings;
  const { problemType, labels } = model;
  await writeReport(path.join(folder.folder, "report.html"), {
    name: path.basename(folder.folder),
    groups,
    steps,
    evaluations,
    best: result.best,
    options: identity.options,
    config: model.config,
    versions: {
      bertcnn: version(),
      libtorch: nativeModule().libtorchVersion,
      node: process.version,
    },
    data: {
      "rows trained on": known.rows,
      ...(evalDataset && { "rows evaluated": await evalDataset.size() }),
      "bad rows left out": (await data.badRows()).count,
    },
    stopped: result.stopped,
    evaluation: evaluated
      ? {
          problemType,
          labels,
          texts: evaluated.texts,
          logits: evaluated.logits.data,
          targets: evaluated.targets,
          metrics: evaluated.metrics,
        }
      : null,
  });
}
