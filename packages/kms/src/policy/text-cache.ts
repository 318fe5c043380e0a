/**
 * What was made of texts, remembered up to so many characters of them.
 *
 * Beyond that all of it is forgotten at once: what is in use is soon there again, and nothing has to be
 * kept of what was used when.
 *
 * @module
 */
export class TextCache<Value> {
  readonly #maxCharacters: number;
  readonly #values = new Map<string, Value>();
  #characters = 0;

  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters;
  }

  /** The value of a text, made where it is not known. What throws is not remembered. */
  get(text: string, make: (text: string) => Value): Value {
    const known = this.#values.get(text);
    if (known !== undefined) return known;
    const value = make(text);
    if (this.#characters + text.length > this.#maxCharacters) {
      this.#values.clear();
      this.#characters = 0;
    }
    this.#values.set(text, value);
    this.#characters += text.length;
    return value;
  }
}
