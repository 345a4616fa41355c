import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Change } from '../../src/catalog/change.js';
import { type Catalog, createCatalog, openCatalog } from '../../src/catalog/open.js';
import { catalogPath, digestOf } from '../support/catalog.js';
import { brokenRelations, dumpCatalog, dumpModel } from '../support/catalog-check.js';
import { TreeModel, text } from '../support/catalog-model.js';
import { RandomChanges, randomFrom } from '../support/catalog-random.js';

/** CAIRN_SEED replays a run, CAIRN_OPERATIONS makes it longer. */
const seed = Number(process.env.CAIRN_SEED ?? Date.now() % 1_000_000);
const operations = Number(process.env.CAIRN_OPERATIONS ?? 6000);
const CHANGES_A_ROUND = 300;

/** A model of what a new catalog holds. */
function newModel(catalog: Catalog): TreeModel {
  const model = new TreeModel();
  const add = (ino: number) => {
    model.files.set(ino, { inode: { ...catalog.inodes.find(ino)! }, data: [], xattrs: new Map() });
    model.folders.set(ino, new Map());
    for (const entry of catalog.names.entries(ino, 0, 10)) {
      model.folders.get(ino)!.set(text(entry.name), entry.ino);
      add(entry.ino);
    }
  };
  add(1);
  return model;
}

function piecesOf(catalog: Catalog): string[] {
  const contents = Array.from({ length: 20 }, (_, n) => digestOf(`content ${n}`));
  return contents.flatMap((content) => {
    const piece = catalog.pieces.find(content);
    return piece ? [`${text(content)}: ${text(piece.digest)}@${piece.at}+${piece.length}`] : [];
  });
}

/** A catalog under random changes, with what is known of it beside it. */
class Run {
  readonly #path: string;
  readonly #random = randomFrom(seed);
  readonly model: TreeModel;
  readonly changes: Change[] = [];
  catalog: Catalog;
  #committed: { model: TreeModel; changes: number };

  constructor(t: TestContext) {
    this.#path = catalogPath(t);
    createCatalog(this.#path, { seconds: 1, nanoseconds: 1 });
    this.catalog = openCatalog(this.#path);
    t.after(() => this.catalog.close());
    this.model = newModel(this.catalog);
    this.#committed = { model: this.model.copy(), changes: 0 };
    this.catalog.transactions.begin();
  }

  change(makes: RandomChanges): void {
    const change = makes.next();
    this.changes.push(change);
    const expected = this.model.apply(change);
    assert.equal(this.catalog.apply(change), expected, `the answer to ${JSON.stringify(change)}`);
    if (this.#random(50) === 0) this.catalog.freedLists.empty(1 + this.#random(100));
  }

  compare(): void {
    assert.deepEqual(dumpCatalog(this.catalog), dumpModel(this.model));
    const pieces = [...this.model.pieces].map(([content, piece]) => `${content}: ${piece}`);
    assert.deepEqual(piecesOf(this.catalog).sort(), pieces.sort());
    const groups = this.catalog.groups.list().map(({ id, name }) => [id, name.id]);
    assert.deepEqual(groups.sort(), [...this.model.groups].map(([id, path]) => [id, path.split('/').at(-1)]).sort());
    const segments = [0, 1, 2, 3, 4].filter((segment) => this.catalog.journalRefs.usesSegment(segment));
    assert.equal(this.catalog.journalRefs.oldestSegment(), segments[0]);
  }

  /** What a daemon does at times: commit, die and replay, close and open. */
  settle(): void {
    const dice = this.#random(4);
    if (dice === 0) this.#dieAndReplay();
    else {
      this.catalog.transactions.commit(this.changes.length);
      this.#committed = { model: this.model.copy(), changes: this.changes.length };
      assert.deepEqual(brokenRelations(this.#path), []);
      if (dice === 1) {
        this.catalog.close();
        this.catalog = openCatalog(this.#path);
      }
      this.catalog.transactions.begin();
    }
  }

  #dieAndReplay(): void {
    if (this.#random(2) === 0) this.catalog.transactions.rollback();
    else {
      this.catalog.close();
      this.catalog = openCatalog(this.#path);
    }
    assert.equal(this.catalog.transactions.appliedSequence(), this.#committed.changes);
    assert.deepEqual(dumpCatalog(this.catalog), dumpModel(this.#committed.model));
    this.catalog.transactions.begin();
    for (const change of this.changes.slice(this.#committed.changes)) this.catalog.apply(change);
  }
}

/** Everything that is to be the same wherever the same changes were applied, cookies among it. */
function wholeDump(catalog: Catalog): unknown {
  const cookies = [...Array(5000).keys()].flatMap((ino) =>
    catalog.names.entries(ino, 0, 1000).map(({ cookie, name }) => `${ino} ${cookie} ${text(name)}`),
  );
  return { tree: dumpCatalog(catalog), cookies, figures: catalog.figures(), pieces: piecesOf(catalog) };
}

test(`random changes leave the catalog as the model has it (CAIRN_SEED=${seed})`, (t) => {
  const run = new Run(t);
  let ino = 1000;
  const makes = new RandomChanges(randomFrom(seed + 1), run.model, () => ino++);
  for (let done = 0; done < operations; done += CHANGES_A_ROUND) {
    for (let n = 0; n < CHANGES_A_ROUND; n++) run.change(makes);
    run.compare();
    run.settle();
    run.compare();
  }
  assert.ok(run.model.files.size > 20 && run.model.orphans().length > 0, 'the run was worth something');
  const path = catalogPath(t);
  createCatalog(path, { seconds: 1, nanoseconds: 1 });
  const replayed = openCatalog(path);
  t.after(() => replayed.close());
  replayed.transactions.begin();
  for (const change of run.changes) replayed.apply(change);
  assert.deepEqual(wholeDump(replayed), wholeDump(run.catalog), 'the same changes make the same catalog');
  replayed.transactions.commit(run.changes.length);
  assert.deepEqual(brokenRelations(path), []);
});
