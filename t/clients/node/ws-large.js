// The serverless driver: startup, password and a query of more than 40 MiB in
// its first message.  Prints for each driver of argv
//
//     ok|not ok|skip NAME[ # WHY]
//
//     HOST PORT              the proxy; all names are this machine
//     PGUSER PGPASSWORD PGDATABASE
//     NODE_EXTRA_CA_CERTS    whom to trust

const assert = require('assert');
const crypto = require('crypto');
const dns = require('dns');
const path = require('path');

const js = path.join(__dirname, '..', '..', 'js');
const load = (name) => require(path.join(js, 'node_modules', name));

const ws = load('ws');
const env = process.env;
const size = 40 * 1024 * 1024;

const { lookup } = dns;
dns.lookup = (name, options, done) => lookup('127.0.0.1', options, done);


async function large(driver) {
    const log = [];

    class Socket extends ws {
        constructor(url) {
            super(url);
            this.addEventListener('message', () => log.push('answer'));
        }

        send(data, ...more) {
            log.push(data.byteLength);
            super.send(data, ...more);
        }
    }

    const client = new driver.Client({
        host: env.HOST,
        port: 5432,
        user: env.PGUSER,
        password: env.PGPASSWORD,
        database: env.PGDATABASE,
    });

    Object.assign(client.neonConfig, {
        webSocketConstructor: Socket,
        wsProxy: (name) => `${name}:${env.PORT}/v2`,
        pipelineConnect: 'password',
        coalesceWrites: true,
    });

    const text = crypto.randomBytes(size / 2).toString('hex');

    // not awaited: what is asked for at once leaves at once
    const connected = client.connect();
    const { rows } = await client.query(
        'select length($1) as length, md5($1) as md5', [text]);
    await connected;

    assert.deepStrictEqual({ ...rows[0] }, {
        length: size,
        md5: crypto.createHash('md5').update(text).digest('hex'),
    });
    assert.ok(log[0] > size, `the first message has ${log[0]} bytes`);
    assert.strictEqual(log[1], 'answer', 'then the server answers');

    await client.end();
}


async function main() {
    const node = parseInt(process.versions.node, 10);

    for (const name of process.argv.slice(2)) {
        if (node < 19 && !name.startsWith('neon-0.')) {
            console.log(`skip ${name} # the driver wants Node 19, this is`
                        + ` ${process.version}`);
            continue;
        }

        try {
            await large(load(name));
            console.log(`ok ${name}`);
        } catch (e) {
            console.log(`not ok ${name} # ${e.stack.replace(/\s+/g, ' ')}`);
        }
    }
}

main().then(() => process.exit(0));
