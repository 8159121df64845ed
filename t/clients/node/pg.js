// node-postgres (npm package pg): SNI by ssl.servername

const fs = require('fs');
const path = require('path');

const modules = path.join(__dirname, '..', '..', 'js', 'node_modules');
const { Client, Pool } = require(path.join(modules, 'pg'));

const options = {
    host: '127.0.0.1',
    port: Number(process.env.PORT),
    user: process.env.PGUSER,
    password: process.env.PGPASSWORD,
    database: process.env.PGDATABASE,
    ssl: {
        ca: fs.readFileSync(process.env.CA, 'utf8'),
        servername: process.env.HOST,
    },
};

async function main() {
    const client = new Client(options);
    await client.connect();

    const first = await client.query(
        'select current_user::text as name, $1::int * 2 as number', [21]);
    await client.query('create temp table t as'
                       + ' select * from generate_series(1, 1000)');
    const second = await client.query('select count(*)::int as n from t');
    const third = await client.query("select repeat('x', 1000000) as x");
    await client.end();

    const pool = new Pool({ ...options, max: 4 });
    const all = await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map((n) =>
            pool.query('select $1::int as n', [n])));
    await pool.end();

    if (all.map((r) => r.rows[0].n).join('') !== '12345678') {
        throw new Error('answers were mixed up');
    }

    const row = first.rows[0];
    console.log(row.name, row.number, second.rows[0].n,
                third.rows[0].x.length);
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
