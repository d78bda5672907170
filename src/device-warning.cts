let warned = false;

/** Says once a process that `device: "auto"` computes on the CPU although CUDA looks meant. */
export function warnOfCpu(reason: string | undefined): void {
  if (reason === undefined || warned) return;
  warned = true;
  process.emitWarning(
    `device 'auto' computes on the CPU: ${reason}. Ask for device 'cpu' to have it so in silence.`,
    "BertCnnWarning",
  );
}
