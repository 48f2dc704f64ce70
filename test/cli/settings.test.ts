// Where values come from, and what the commands say about wrong ones.
import { describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/errors.ts';
import * as settings from '../../src/cli/settings.ts';

function failure(run: () => unknown): CliError {
  try {
    run();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('expected a CliError');
}

describe('-e', () => {
  test('takes names that the Worker or the runner knows; the last one wins; values may hold =', () => {
    const args = ['LOG_LEVEL=DEBUG', 'LOG_DIR=/tmp/a=b', 'LOG_LEVEL=INFO'];
    expect(settings.parseAssignments(args)).toEqual({ LOG_LEVEL: 'INFO', LOG_DIR: '/tmp/a=b' });
  });

  test('an unknown name is a usage error of one line that names it, suggests one and lists all', () => {
    const error = failure(() => settings.parseAssignments(['NODE_CUONT=3']));
    expect(error.exitCode).toBe(2);
    expect(error.message).not.toContain('\n');
    expect(error.message).toContain('NODE_CUONT');
    expect(error.message).toContain('did you mean NODE_COUNT?');
    for (const name of settings.knownVariables()) expect(error.message).toContain(name);
  });

  test('without a name or a value it is a usage error', () => {
    for (const arg of ['LOG_LEVEL', '=3', '']) expect(failure(() => settings.parseAssignments([arg])).exitCode).toBe(2);
  });

  test('suggests nothing for a name that is like none', () => {
    expect(settings.closest('HOME', settings.knownVariables())).toBeNull();
    expect(settings.closest('log_level', settings.knownVariables())).toBe('LOG_LEVEL');
  });
});

describe('precedence', () => {
  test('-e over the environment; unknown names of the environment stay out; empty means unset', () => {
    const merged = settings.mergeEnvironment(
      { LOG_LEVEL: 'DEBUG', NETWORK: '' },
      { LOG_LEVEL: 'ERROR', FANOUT: '8', HOME: '/root', NETWORK: 'other' },
    );
    expect(merged).toEqual({ LOG_LEVEL: 'DEBUG', FANOUT: '8' });
  });

  test('the Worker does not see the folders', () => {
    expect(settings.workerVariables({ STORAGE_DIR: '/a', LOG_DIR: '/b', FANOUT: '8' })).toEqual({ FANOUT: '8' });
    expect(settings.folders({ STORAGE_DIR: '/a' })).toEqual({ storageDir: '/a', logDir: '/a' });
    expect(settings.folders({ STORAGE_DIR: '/a', LOG_DIR: '/b' })).toEqual({ storageDir: '/a', logDir: '/b' });
    expect(settings.folders({}).logDir).toBe(settings.folders({}).storageDir);
  });

  test('the number of nodes: the argument, -e, the environment, that of earlier runs, 4', () => {
    expect(settings.nodeCount('7', {}, { NODE_COUNT: '9' }, 6)).toBe('7');
    expect(settings.nodeCount(undefined, { NODE_COUNT: '9' }, { NODE_COUNT: '9' }, 6)).toBe('9');
    expect(settings.nodeCount(undefined, {}, {}, 6)).toBe('6');
    expect(settings.nodeCount(undefined, {}, {}, null)).toBe('4');
    expect(failure(() => settings.nodeCount('7', { NODE_COUNT: '9' }, { NODE_COUNT: '9' }, null)).exitCode).toBe(2);
  });

  test('fewer nodes than there are is a usage error', () => {
    for (const nodes of [6, 7]) settings.checkNotFewer(nodes, 6);
    settings.checkNotFewer(1, null);
    const error = failure(() => settings.checkNotFewer(5, 6));
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe('this network has 6 nodes; give 6 or more, or --fresh to start anew');
  });
});

test('each wrong variable has its line', () => {
  const error = failure(() => settings.checkVariables({ LOG_LEVEL: 'LOUD', FANOUT: '1', NETWORK: 'fine' }));
  expect(error.exitCode).toBe(2);
  const lines = error.message.split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('LOG_LEVEL=LOUD');
  expect(lines[1]).toContain('FANOUT=1');
});

test('whole numbers are whole, and within bounds', () => {
  expect(settings.parseWhole('65535', 0, 65_535, '--port')).toBe(65_535);
  for (const text of ['65536', '-1', '1.5', '80x', '', '0x10', '1e3']) {
    expect(failure(() => settings.parseWhole(text, 0, 65_535, '--port')).message).toContain('--port');
  }
});
