import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const GUARD = 'src/cli/workerd-guard.sh';

describe('workerd guard', () => {
  it.each(['', GUARD, '/elsewhere/src/cli/workerd-guard.sh'])(
    'refuses to start %j: starting itself would never end',
    (workerd) => {
      const run = spawnSync(GUARD, ['serve'], { env: { ...process.env, PYCHAIN_WORKERD: workerd }, timeout: 5_000 });
      expect(run.status).toBe(1);
      expect(run.stderr.toString()).toContain('does not name the workerd binary');
    },
  );
});
