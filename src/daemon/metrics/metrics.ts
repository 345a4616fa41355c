import { Counter, Gauge, Registry } from 'prom-client';
import { FIGURES, type Figure } from './figures.js';
import type { Sample } from './sample.js';

/**
 * The figures of one mount in Prometheus' text format. Whoever does the work counts in passing; all else is done here, when
 * somebody asks. Those who ask at once share one sample.
 */
export class Metrics {
  readonly #take: () => Promise<Sample>;
  readonly #registry = new Registry();
  readonly #metrics = FIGURES.map((figure) => ({ figure, metric: this.#register(figure) }));
  #asked: Promise<string> | undefined;

  /** @param take asks the mount how it is */
  constructor(take: () => Promise<Sample>) {
    this.#take = take;
  }

  /** Of what `text` gives, for HTTP. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All figures as they are now. @throws {CairnError} `unreachable` where the mount has ended */
  text(): Promise<string> {
    this.#asked ??= this.#text().finally(() => {
      this.#asked = undefined;
    });
    return this.#asked;
  }

  async #text(): Promise<string> {
    const sample = await this.#take();
    for (const { figure, metric } of this.#metrics) {
      metric.reset();
      for (const { labels, value } of figure.values(sample)) {
        if (metric instanceof Counter) metric.inc(labels, value);
        else metric.set(labels, value);
      }
    }
    return this.#registry.metrics();
  }

  #register({ name, help, type, labels }: Figure): Counter | Gauge {
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
    return type === 'counter' ? new Counter(options) : new Gauge(options);
  }
}
