// What `wrangler deploy` runs first ([build] in wrangler.toml): the live page is built to dist/dashboard.
import { buildDashboard } from '../src/cli/page-build.ts';

await buildDashboard();
