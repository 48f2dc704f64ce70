// The API's reference as it is served: its own files alone, and nothing that its Content-Security-Policy would refuse.
import { expect, test } from 'vitest';
import { docsFiles, docsHeaders } from '../src/cli/docs-build.ts';

const FOLDER = 'api/v1/docs/';
const files = docsFiles();
const text = (name: string) => Buffer.from(files.get(`${FOLDER}${name}`) ?? '').toString('utf8');

test('the page loads files that are there, and no others', () => {
  const html = text('index.html');
  const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name = '']) => name);
  expect(loaded.toSorted()).toEqual(['start.js', 'swagger-ui-bundle.js', 'swagger-ui.css']);
  for (const name of loaded) expect(files.has(`${FOLDER}${name}`)).toBe(true);
  // Scripts and styles that stand in the page are refused.
  expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style=|\son\w+=/);
});

test('what is ours asks no other host, and has the document checked by none', () => {
  expect(`${text('index.html')}${text('start.js')}`).not.toMatch(/https?:|\/\/[a-z]/);
  expect(text('start.js')).toContain('validatorUrl: null');
});

test('headers allow what is of the same origin, and nothing inline or evaluated', () => {
  const headers = docsHeaders();
  expect(headers).toMatch(/^\/api\/v1\/docs\/\*\n/);
  expect(headers).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
  expect(headers).not.toMatch(/unsafe|https:|\*(?!\n)/);
});

test('it is no larger than assets may be, and has the licence of what it is made of', () => {
  for (const contents of files.values()) expect(contents.byteLength).toBeLessThan(25 * 1024 * 1024);
  expect(text('LICENSE')).toContain('Apache License');
});
