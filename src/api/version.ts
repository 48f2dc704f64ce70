/** Version of this software, as status tells it. A test holds it to package.json. */
export const VERSION = '0.1.0';
