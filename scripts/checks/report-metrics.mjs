/** Metrics of made-up evaluations, in the form that reports read. */

const share = (part, whole) => (whole > 0 ? part / whole : 0);

export function metricsOf({ problemType, labels, logits, targets }) {
  const width = labels.length;
  const rows = logits.length / width;
  if (problemType === "regression") {
    const perLabel = labels.map((_, k) => {
      const x = Array.from({ length: rows }, (_, r) => targets[r * width + k]);
      const y = Array.from({ length: rows }, (_, r) => logits[r * width + k]);
      const mean = (v) => v.reduce((a, b) => a + b, 0) / v.length;
      const [mx, my] = [mean(x), mean(y)];
      const cov = mean(x.map((v, i) => (v - mx) * (y[i] - my)));
      const pearson =
        cov / Math.sqrt(mean(x.map((v) => (v - mx) ** 2)) * mean(y.map((v) => (v - my) ** 2)));
      return { pearson, spearman: pearson, mse: mean(x.map((v, i) => (v - y[i]) ** 2)) };
    });
    return { problemType, loss: 1, perLabel };
  }
  const single = problemType === "single_label_classification";
  const confusion = labels.map(() => new Array(width).fill(0));
  const counts = labels.map(() => ({ tp: 0, fp: 0, fn: 0 }));
  const bins = Array.from({ length: 10 }, (_, i) => ({
    lower: i / 10,
    upper: (i + 1) / 10,
    count: 0,
    confidence: 0,
    accuracy: 0,
  }));
  const put = (p, right) => {
    const bin = bins[Math.min(9, Math.floor(p * 10))];
    bin.count++;
    bin.confidence += p;
    bin.accuracy += right;
  };
  for (let r = 0; r < rows; r++) {
    const z = Array.from(logits.subarray(r * width, (r + 1) * width));
    if (single) {
      const most = Math.max(...z);
      const best = z.indexOf(most);
      const sum = z.reduce((a, v) => a + Math.exp(v - most), 0);
      confusion[targets[r]][best]++;
      put(1 / sum, Number(best === targets[r]));
      for (let k = 0; k < width; k++) {
        if (best === k && targets[r] === k) counts[k].tp++;
        else if (best === k) counts[k].fp++;
        else if (targets[r] === k) counts[k].fn++;
      }
    } else {
      z.forEach((v, k) => {
        const t = targets[r * width + k];
        put(1 / (1 + Math.exp(-v)), t);
        if (v >= 0 && t) counts[k].tp++;
        else if (v >= 0) counts[k].fp++;
        else if (t) counts[k].fn++;
      });
    }
  }
  const total = bins.reduce((n, b) => n + b.count, 0);
  let ece = 0;
  for (const bin of bins) {
    if (!bin.count) continue;
    bin.confidence /= bin.count;
    bin.accuracy /= bin.count;
    ece += (bin.count / total) * Math.abs(bin.confidence - bin.accuracy);
  }
  const perClass = labels.map((label, k) => {
    const { tp, fp, fn } = counts[k];
    const [precision, recall] = [share(tp, tp + fp), share(tp, tp + fn)];
    return {
      label,
      precision,
      recall,
      f1: share(2 * precision * recall, precision + recall),
      support: tp + fn,
    };
  });
  return {
    problemType,
    loss: 1,
    perClass,
    reliability: { bins, ece },
    ...(single ? { confusionMatrix: confusion } : {}),
  };
}
