import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const web = new URL('../', import.meta.url);
const read = (path) => readFileSync(new URL(path, web));
const json = (path) => JSON.parse(read(path).toString());
const vendored = Object.entries(json('vendor/vendor.json'));

test('code of others is as it was published', () => {
  for (const [name, { sha256 }] of vendored) {
    for (const [file, sum] of Object.entries(sha256)) {
      const content = read(`vendor/${name}/${file}`);
      assert.equal(createHash('sha256').update(content).digest('hex'), sum, `${name}/${file}`);
      assert.ok(content.equals(read(`node_modules/${name}/${file}`)), `${name}/${file} differs from the npm package`);
    }
  }
});

test('each file of others has a sum', () => {
  const listed = vendored.flatMap(([name, { sha256 }]) => Object.keys(sha256).map((file) => `${name}/${file}`));
  const present = readdirSync(new URL('vendor/', web), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.d\.ts$|^README\.md$|^vendor\.json$/.test(entry.name))
    .map((entry) => `${entry.parentPath}/${entry.name}`.split('/vendor/')[1]?.replace(/\/+/g, '/'));
  assert.deepEqual(present.sort(), listed.sort());
});

test('the types and the code of a library have the same version', () => {
  const { devDependencies } = json('package.json');
  for (const [name, { version }] of vendored) {
    assert.equal(devDependencies[name], version, name);
    assert.equal(json(`node_modules/${name}/package.json`).version, version, name);
  }
});
