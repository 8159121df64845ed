// The serverless driver over WebSockets: each of its versions in package.json
// x each WebSocket of this Node x pipelineConnect x coalesceWrites.  Prints a
// line for each case, then the number of lines:
//
//     ok|not ok|skip NAME[ # WHY]
//
//     HOST PORT              the proxy; all names are this machine
//     PGPORT                 the PostgreSQL behind it
//     PGUSER PGPASSWORD PGDATABASE
//     SECONDS                what a case may take
//     NODE_EXTRA_CA_CERTS    whom to trust

const assert = require('assert');
const crypto = require('crypto');
const dns = require('dns');
const path = require('path');
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');

const js = path.join(__dirname, '..', '..', 'js');
const load = (name) => require(path.join(js, 'node_modules', name));

const pg = load('pg');
const ws = load('ws');
const Cursor = load('pg-cursor');
const copyFrom = load('pg-copy-streams').from;

const env = process.env;
const seconds = Number(env.SECONDS);
const { within, print, printed } = require('./report')(seconds);

const login = {
    host: env.HOST,
    port: 5432,
    user: env.PGUSER,
    password: env.PGPASSWORD,
    database: env.PGDATABASE,
};

const { lookup } = dns;
dns.lookup = (name, options, done) => lookup('127.0.0.1', options, done);

// sessions with PostgreSQL itself, which see what the proxy's do
const watcher = new pg.Pool({
    ...login, host: '127.0.0.1', port: Number(env.PGPORT), max: 4,
});


function pause(ms) {
    return new Promise((resolve) => {
        setTimeout(resolve, ms);
    });
}


async function eventually(check, what) {
    const deadline = Date.now() + seconds * 1000;

    while (!await check()) {
        if (Date.now() > deadline) {
            throw new Error(`${what}: not within ${seconds} s`);
        }

        await pause(5);
    }
}


async function rejected(promise) {
    let value;

    try {
        value = await promise;
    } catch (e) {
        return e;
    }

    throw new Error(`no error, but ${JSON.stringify(value)}`);
}


async function sessions(pid, state) {
    const r = await watcher.query(
        'select from pg_stat_activity where pid = $1'
        + ' and ($2::text is null or state = $2)', [pid, state]);

    return r.rowCount;
}


function md5(text) {
    return crypto.createHash('md5').update(text).digest('hex');
}


// the clients of one case

class Case {
    constructor(driver, Socket) {
        this.driver = driver;
        this.Socket = Socket;
        this.clients = [];
    }

    client(options) {
        const { Socket } = this;
        const client = new this.driver.Client({ ...login, ...options });

        client.closed = new Promise((resolve) => {
            client.neonConfig.webSocketConstructor = class extends Socket {
                constructor(url) {
                    super(url);
                    client.socket = this;
                    this.addEventListener('close', (e) => resolve(e.code));
                }
            };
        });

        // without a listener the process would end
        client.on('error', () => {});
        this.clients.push(client);

        return client;
    }

    async open(options) {
        const client = this.client(options);

        await client.connect();

        return client;
    }

    // a client, its server process and its query, which runs and runs
    async sleeper() {
        const client = await this.open();
        const { rows } = await client.query('select pg_backend_pid() as pid');
        const query = client.query('select pg_sleep(600)');

        query.catch(() => {});
        await eventually(() => sessions(rows[0].pid, 'active'), 'the query');

        return { client, query, pid: rows[0].pid };
    }

    async end() {
        for (const client of this.clients.filter((c) => !c.lost)) {
            await within(client.end(), 'end()');
            assert.strictEqual(await within(client.closed, 'close'), 1000,
                               'the code in the Close of the server');
        }
    }

    abandon() {
        for (const client of this.clients.filter((c) => c.socket)) {
            client.socket.close();
        }
    }
}


const cases = {};

cases['select with a parameter'] = async (on) => {
    const client = await on.open();
    const text = "it's ① \u{1f418}";
    const r = await client.query(
        'select current_user::text as name, $1::int * 2 as number,'
        + ' $2::text as text', [21, text]);

    assert.deepStrictEqual({ ...r.rows[0] },
                           { name: login.user, number: 42, text });
};

cases['end() of a client that asked nothing'] = async (on) => {
    await on.open();
};

cases['end() ends the session'] = async (on) => {
    const client = await on.open();
    const { rows } = await client.query('select pg_backend_pid() as pid');

    assert.strictEqual(await sessions(rows[0].pid), 1);
    client.lost = true;
    await within(client.end(), 'end()');
    await eventually(async () => !await sessions(rows[0].pid), 'the end');
};

cases['a pool'] = async (on) => {
    const pool = new on.driver.Pool({ ...login, max: 4 });
    const numbers = Array.from({ length: 12 }, (_, i) => i);

    pool.on('error', () => {});

    const all = await Promise.all(
        numbers.map((n) => pool.query('select $1::int as n', [n])));

    assert.deepStrictEqual(all.map((r) => r.rows[0].n), numbers);
    await within(pool.end(), 'end() of the pool');
};

cases['an error has its code, the session goes on'] = async (on) => {
    const client = await on.open();
    const error = await rejected(client.query('select 1 / $1::int', [0]));

    assert.strictEqual(error.code, '22012', error);
    assert.strictEqual(error.severity, 'ERROR');

    const r = await client.query('select 7 as n');
    assert.strictEqual(r.rows[0].n, 7);
};

cases['a wrong password is 28P01'] = async (on) => {
    const client = on.client({ password: 'wrong' });

    client.lost = true;

    const error = await rejected(
        client.connect().then(() => client.query('select 1')));

    assert.strictEqual(error.code, '28P01', error);
    assert.strictEqual(error.severity, 'FATAL');
    assert.match(error.message, /password authentication failed/);
    assert.notStrictEqual(await within(client.closed, 'close'), 1006,
                          'a Close of the server');
};

cases['LISTEN and NOTIFY'] = async (on) => {
    const client = await on.open();
    const other = await on.open();
    const payload = 'news ① '.repeat(500);
    const came = new Promise((resolve) => {
        client.on('notification', resolve);
    });

    await client.query('listen news');
    await other.query("select pg_notify('news', $1)", [payload]);

    const message = await within(came, 'the notification');
    assert.strictEqual(message.channel, 'news');
    assert.strictEqual(message.payload, payload);
};

cases['a notice'] = async (on) => {
    const client = await on.open();
    const came = new Promise((resolve) => {
        client.on('notice', resolve);
    });

    await client.query("do $$ begin raise notice 'psst'; end $$");

    const notice = await within(came, 'the notice');
    assert.strictEqual(notice.message, 'psst');
};

cases['many statements in a query'] = async (on) => {
    const client = await on.open();
    const r = await client.query('select 1 as a; select 2 as a;'
                                 + ' select n as a'
                                 + ' from generate_series(3, 5) n');

    assert.deepStrictEqual(
        [...r].map((part) => part.rows.map((row) => row.a)),
        [[1], [2], [3, 4, 5]]);
};

cases['COPY FROM STDIN'] = async (on) => {
    const client = await on.open();
    const lines = Array.from({ length: 5000 }, (_, i) => `${i}\tline ${i}\n`);

    await client.query('create temp table goods (n int, text text)');
    await pipeline(Readable.from(lines),
                   client.query(copyFrom('copy goods from stdin')));

    const r = await client.query('select count(*)::int as count,'
                                 + ' sum(n)::int as sum, max(text) as max'
                                 + ' from goods');
    assert.deepStrictEqual({ ...r.rows[0] },
                           { count: 5000, sum: 12497500, max: 'line 999' });

    const error = await rejected(
        pipeline(Readable.from(['no number\tline\n']),
                 client.query(copyFrom('copy goods from stdin'))));
    assert.strictEqual(error.code, '22P02', error);
};

cases['a cursor'] = async (on) => {
    const client = await on.open();
    const cursor = client.query(
        new Cursor('select n from generate_series(1, $1::int) n', [250]));
    const numbers = [];

    for (const length of [100, 100, 50, 0]) {
        const rows = await cursor.read(100);

        assert.strictEqual(rows.length, length);
        numbers.push(...rows.map((row) => row.n));
    }

    assert.deepStrictEqual(numbers,
                           Array.from({ length: 250 }, (_, i) => i + 1));
    await cursor.close();
};

cases['cancel()'] = async (on) => {
    const { client, query } = await on.sleeper();
    const messenger = on.client();

    messenger.lost = true;
    messenger.cancel(client, client.activeQuery);

    const error = await rejected(within(query, 'the cancelled query'));
    assert.strictEqual(error.code, '57014', error);
    assert.match(error.message, /user request/);
    await within(messenger.closed, 'close after a cancel request');

    const r = await client.query('select 7 as n');
    assert.strictEqual(r.rows[0].n, 7);
};

cases['statement_timeout'] = async (on) => {
    const client = await on.open({ statement_timeout: 50 });
    const error = await rejected(client.query('select pg_sleep(600)'));

    assert.strictEqual(error.code, '57014', error);
    assert.match(error.message, /statement timeout/);
};

cases['parameters of the startup message'] = async (on) => {
    const client = await on.open({
        application_name: "matrix's %40",
        options: '-c work_mem=3MB -c matrix.text=a\\ b',
        statement_timeout: 600001,
        lock_timeout: 600002,
        idle_in_transaction_session_timeout: 600003,
    });
    const names = [
        'application_name', 'work_mem', 'matrix.text', 'statement_timeout',
        'lock_timeout', 'idle_in_transaction_session_timeout',
        'client_encoding',
    ];
    const r = await client.query(
        'select array(select current_setting(n)'
        + ' from unnest($1::text[]) with ordinality u (n, i) order by i)'
        + ' as values', [names]);

    assert.deepStrictEqual(r.rows[0].values, [
        "matrix's %40", '3MB', 'a b', '600001ms', '600002ms',
        '600003ms', 'UTF8',
    ]);
};

cases['named statements'] = async (on) => {
    const client = await on.open();

    for (const n of [1, 21, 4]) {
        const r = await client.query({
            name: 'twice', text: 'select $1::int * 2 as n', values: [n],
        });
        assert.strictEqual(r.rows[0].n, 2 * n);
    }

    const r = await client.query('select name from pg_prepared_statements');
    assert.deepStrictEqual(r.rows.map((row) => row.name), ['twice']);
};

cases['temporary tables'] = async (on) => {
    const client = await on.open();
    const other = await on.open();

    await client.query('create temp table mine as'
                       + ' select * from generate_series(1, 1000)');

    const r = await client.query('select count(*)::int as n from mine');
    assert.strictEqual(r.rows[0].n, 1000);

    const error = await rejected(other.query('select * from mine'));
    assert.strictEqual(error.code, '42P01', error);
};

cases['a session ended by PostgreSQL'] = async (on) => {
    const { client, query, pid } = await on.sleeper();

    client.lost = true;
    await watcher.query('select pg_terminate_backend($1)', [pid]);

    const error = await rejected(within(query, 'the ended query'));
    assert.strictEqual(error.code, '57P01', error);
    assert.notStrictEqual(await within(client.closed, 'close'), 1006,
                          'a Close of the server');
};

cases['a WebSocket closed amid a query ends the session'] = async (on) => {
    const { client, pid } = await on.sleeper();

    client.lost = true;
    client.socket.close();
    await within(client.closed, 'close');
    await eventually(async () => !await sessions(pid), 'the end');
};

const lateCase = 'a password that comes later';

cases[lateCase] = async (on) => {
    const client = await on.open({
        password: () => pause(60).then(() => login.password),
    });
    const r = await client.query('select 7 as n');

    assert.strictEqual(r.rows[0].n, 7);
};


// one after another; the cases above all at once

const large = {};

large['a parameter of 8 MiB in the first query'] = async (on) => {
    const client = await on.open();
    const text = crypto.randomBytes(4 * 1024 * 1024).toString('hex');
    const r = await client.query('select length($1) as length,'
                                 + ' md5($1) as md5', [text]);

    assert.strictEqual(r.rows[0].length, 8 * 1024 * 1024);
    assert.strictEqual(r.rows[0].md5, md5(text));
};

large['a result of 20 MiB'] = async (on) => {
    const client = await on.open();
    const r = await client.query(
        'select repeat(md5(n::text), 32768) as text'
        + ' from generate_series(1, 20) n');

    assert.strictEqual(r.rows.length, 20);
    r.rows.forEach((row, i) => {
        assert.ok(row.text === md5(String(i + 1)).repeat(32768), `row ${i}`);
    });
};


async function one(name, body, driver, Socket) {
    const on = new Case(driver, Socket);

    try {
        await within(body(on), 'the case');
        await on.end();
        print('ok', name);
    } catch (e) {
        on.abandon();
        print('not ok', name, e.stack);
    }
}


// of these drivers only the newest takes a function for a password when it
// sends the password before it is asked for it

function lacks(version, config, name) {
    return name === lateCase && config.pipelineConnect
           && version.localeCompare('1.2', 'en', { numeric: true }) < 0
           && 'the driver sends no such password unasked';
}


// what is large takes long: the newest driver does it in all ways, the others
// in one for each pipelineConnect

async function combination(version, kind, driver, Socket, config) {
    const title = [
        version.number, kind, `pipelineConnect ${config.pipelineConnect}`,
        `coalesceWrites ${config.coalesceWrites}`,
    ].join(', ');

    Object.assign(driver.neonConfig, config, {
        webSocketConstructor: Socket,
        wsProxy: (name) => `${name}:${env.PORT}/v2`,
    });

    await Promise.all(Object.entries(cases).map(([name, body]) => {
        const why = lacks(version.number, config, name);

        return why ? print('skip', `${title}: ${name}`, why)
                   : one(`${title}: ${name}`, body, driver, Socket);
    }));

    if (!version.newest && (kind === 'native' || !config.coalesceWrites)) {
        return;
    }

    for (const [name, body] of Object.entries(large)) {
        await one(`${title}: ${name}`, body, driver, Socket);
    }
}


async function all(version) {
    const driver = load(version.name);

    for (const [kind, Socket] of [['ws', ws], ['native', global.WebSocket]]) {
        if (!Socket) {
            print('skip', `${version.number}, ${kind}`,
                  `Node ${process.version} has no WebSocket`);
            continue;
        }

        for (const pipelineConnect of ['password', false]) {
            for (const coalesceWrites of [true, false]) {
                await combination(version, kind, driver, Socket,
                                  { pipelineConnect, coalesceWrites });
            }
        }
    }
}


// the versions of the driver in package.json, the oldest first

function versions() {
    const { dependencies } = require(path.join(js, 'package.json'));
    const order = new Intl.Collator('en', { numeric: true }).compare;

    return Object.keys(dependencies)
        .filter((name) => name.startsWith('neon-'))
        .sort(order)
        .map((name, i, { length }) => ({
            name,
            number: name.replace('neon-', ''),
            newest: i === length - 1,
        }));
}


async function main() {
    const node = parseInt(process.versions.node, 10);

    for (const version of versions()) {
        if (node < 19 && !version.number.startsWith('0.')) {
            print('skip', version.number,
                  `the driver wants Node 19, this is ${process.version}`);
            continue;
        }

        await all(version);
    }

    await watcher.end();
    console.log(`${printed()} lines`);
}

// a driver that loses its connection may reject what nobody waits for
process.on('unhandledRejection', (e) => {
    print('not ok', 'an error that nobody caught', e && e.stack);
});

main().then(() => process.exit(0), (e) => {
    console.error(e);
    process.exit(1);
});
