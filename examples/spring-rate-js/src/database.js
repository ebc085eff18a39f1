// Cloudflare's D1 binding behind four verbs.

export class Database {
  #binding;

  constructor(binding) {
    this.#binding = binding;
  }

  #prepared(sql, params) {
    const statement = this.#binding.prepare(sql);
    return params.length ? statement.bind(...params) : statement;
  }

  /** All rows of a query. */
  async rows(sql, ...params) {
    return (await this.#prepared(sql, params).all()).results;
  }

  /** The first row of a query, or null. */
  async row(sql, ...params) {
    return this.#prepared(sql, params).first();
  }

  /** Run one statement; how many rows it changed. */
  async write(sql, ...params) {
    return (await this.#prepared(sql, params).run()).meta.changes;
  }

  /** Run `[sql, params]` statements in one transaction, all or none: `[{rows, changes}]`. */
  async batch(...statements) {
    const prepared = statements.map(([sql, params]) => this.#prepared(sql, params));
    const results = await this.#binding.batch(prepared);
    return results.map(({ results: rows, meta }) => ({ rows: rows ?? [], changes: meta.changes }));
  }
}
