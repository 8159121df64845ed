// The serverless driver through the raw tunnel, as users of wsproxy have it:
// each of its versions in package.json, in clear and with TLS inside, and node
// pg over a WebSocket.  Prints a line for each case, then the number of lines:
//
//     ok|not ok NAME[ # WHY]
//
//     PROXY                  host:port of the WebSocket location
//     HOST PGPORT CLOSED     the PostgreSQL by name, and a port without one
//     PGUSER PGPASSWORD      a role that logs in by SCRAM
//     CLEAR CLEARPASSWORD    one that is asked for its password in clear
//     PGDATABASE CA          and who signed the server's certificate
//     SECONDS                what a case may take

const assert = require('assert');
const fs = require('fs');
const path = require('path');

const js = path.join(__dirname, '..', '..', 'js');
const load = (name) => require(path.join(js, 'node_modules', name));

const pg = load('pg');
const ws = load('ws');

const env = process.env;
const seconds = Number(env.SECONDS);
const { within, print, printed } = require('./report')(seconds);
const ca = fs.readFileSync(env.CA, 'utf8');
const proxied = (host, port) => `${env.PROXY}/v1?address=${host}:${port}`;

const login = {
    host: env.HOST,
    port: Number(env.PGPORT),
    user: env.PGUSER,
    password: env.PGPASSWORD,
    database: env.PGDATABASE,
};

const clear = { ...login, user: env.CLEAR, password: env.CLEARPASSWORD };

async function check(name, code) {
    try {
        await within(code(), name);
        print('ok', name);
    } catch (e) {
        print('not ok', name, e && e.stack);
    }
}


function client(driver, options, config) {
    const one = new driver.Client(options);

    one.on('error', () => {});
    Object.assign(one.neonConfig, {
        webSocketConstructor: ws,
        useSecureWebSocket: false,
        wsProxy: proxied,
        ...config,
    });

    return one;
}


async function works(one, tls) {
    await one.connect();

    const { rows } = await one.query(
        'select current_user::text as name, $1::text as text, s.ssl'
        + ' from pg_stat_ssl s where s.pid = pg_backend_pid()',
        ['① \u{1f418}']);

    assert.deepStrictEqual({ ...rows[0] },
                           { name: one.user, text: '① \u{1f418}', ssl: tls });

    const big = await one.query("select repeat('x', 3000000) as x");
    assert.strictEqual(big.rows[0].x.length, 3000000);

    await one.end();
}


async function refused(one) {
    const error = new Promise((resolve) => {
        one.on('error', resolve);
        one.connect().then(() => one.query('select 1')).catch(resolve);
    });

    const e = await error;

    assert.strictEqual(e.code, '08006');
    assert.match(e.message, /connection to server at "localhost", port \d+/);
    assert.match(e.message, /Connection refused/);
}


async function versions() {
    const { dependencies } = require(path.join(js, 'package.json'));
    const names = Object.keys(dependencies)
        .filter((name) => name.startsWith('neon-'));

    // an ES module
    const subtls = await import(path.join(js, 'node_modules', 'subtls',
                                          'index.js'));

    for (const name of names) {
        const driver = load(name);
        const plain = { pipelineConnect: false };

        await check(`${name}: SCRAM, no pipelining`, () => works(
            client(driver, login, plain), false));

        await check(`${name}: in clear, pipelined`, () => works(
            client(driver, clear), false));

        await check(`${name}: wsProxy as a string`, () => works(
            client(driver, clear, { wsProxy: `${env.PROXY}/v1` }), false));

        await check(`${name}: nobody there`, () => refused(
            client(driver, { ...clear, port: Number(env.CLOSED) })));

        // those before use another interface of subtls; pipelineTLS is for
        // Neon: PostgreSQL refuses what comes in clear behind SSLRequest
        if (!/-0\./.test(name)) {
            const tls = { ...plain, forceDisablePgSSL: false, subtls,
                          rootCerts: ca };

            await check(`${name}: TLS 1.3 inside`, () => works(
                client(driver, { ...login, ssl: true }, tls), true));
        }
    }
}


// a net.Socket to node pg

function socket() {
    const open = new ws(`ws://${proxied(env.HOST, env.PGPORT)}`);
    const stream = ws.createWebSocketStream(open);

    stream.setNoDelay = () => stream;
    stream.setKeepAlive = () => stream;
    stream.connect = () => {
        open.once('open', () => stream.emit('connect'));
        return stream;
    };

    return stream;
}


async function main() {
    await versions();

    await check('pg: in clear', () => works(
        new pg.Client({ ...login, stream: socket }), false));

    await check('pg: TLS inside', () => works(
        new pg.Client({ ...login, stream: socket, ssl: { ca } }), true));

    console.log(`${printed()} lines`);
}

process.on('unhandledRejection', (e) => {
    print('not ok', 'an error that nobody caught', e && e.stack);
});

main().then(() => process.exit(0), (e) => {
    console.error(e);
    process.exit(1);
});
