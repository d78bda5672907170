import type { ProblemType } from "./labels.cjs";
import type {
  ConvolutionActivation,
  Freeze,
  LayerCombination,
  LongText,
  Padding,
  Pooling,
  Variant,
} from "./options.cjs";

/** What a `config.json` says of the head and of training: this library's own section. */
export interface BertCnnSection {
  /** Which of the three models. */
  readonly variant: Variant;
  /** Kernel sizes of the convolutions, in tokens. */
  readonly filter_sizes: readonly number[];
  /** Filters of each kernel size. */
  readonly num_filters: number;
  /** The function behind the convolutions. */
  readonly activation: ConvolutionActivation;
  /** How a filter's values over the text become numbers. */
  readonly pooling: Pooling;
  /** How many numbers, of `"k-max"`. */
  readonly pooling_size?: number;
  /** Whether a layer norm stands before the classifier. */
  readonly layer_norm: boolean;
  /** Layers of the encoder, from the last one, whose hidden states the convolutions see. */
  readonly hidden_layers: number;
  /** What becomes of several layers' hidden states. */
  readonly layer_combination?: LayerCombination;
  /** Dropout probability of the head while training. */
  readonly dropout: number;
  /** What pad positions do. */
  readonly padding: Padding;
  /** What becomes of texts that are longer than the model's `maxLength`. */
  readonly long_text: LongText;
  /** Tokens of a window, special tokens included: the `maxLength` that the model was loaded with. */
  readonly window_length?: number;
  /** Tokens that neighbouring windows of a text have in common at least, where that was given. */
  readonly window_overlap?: number;
  /** What is not trained. */
  readonly freeze: Freeze;
  /** What `classify` divides the logits by; see {@link Calibration}. */
  readonly temperature?: number;
  /** From which probability on `classify` gives each label; see {@link Calibration}. */
  readonly thresholds?: readonly number[];
}

/**
 * A model's configuration: the content of the `config.json` that {@link BertCnn.savePretrained} writes,
 * with the names that Hugging Face gives. Fields that play no part in the arithmetic are kept too.
 */
export interface BertCnnConfig {
  /** Width of the hidden states. */
  readonly hidden_size: number;
  /** Layers of the encoder. */
  readonly num_hidden_layers: number;
  /** Attention heads of a layer. */
  readonly num_attention_heads: number;
  /** Width inside the feed-forward part of a layer. */
  readonly intermediate_size: number;
  /** Entries of the vocabulary. */
  readonly vocab_size: number;
  /** The longest sequence that has position embeddings, in tokens. */
  readonly max_position_embeddings: number;
  /** The labels by index. */
  readonly id2label: Readonly<Record<string, string>>;
  /** What the labels are. */
  readonly problem_type: ProblemType;
  /** What is this library's own. */
  readonly bert_cnn: BertCnnSection;
  /** Every other field of the file. */
  readonly [field: string]: unknown;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}

/** The configuration in JSON text, as a frozen object. */
export function readModelConfig(json: string): BertCnnConfig {
  return deepFreeze(JSON.parse(json) as BertCnnConfig);
}
