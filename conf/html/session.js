// A session of PostgreSQL, inside a WebSocket to the host of this page.
//
// SPDX-License-Identifier: Apache-2.0

import { Client, neonConfig } from './serverless.js';

// What stays here of a longer answer.
const ROWS = 1000;
const CELLS = 20000;

const UNOPENED = 'The WebSocket could not be opened: nginx does not run, or'
                 + ' websocket_origins does not name this page';
const BROKEN = 'The connection broke';

neonConfig.disableWarningInBrowsers = true;
neonConfig.useSecureWebSocket = location.protocol === 'https:';
neonConfig.wsProxy = () => location.host + '/v2';

// A client is connected when it has logged in, not as soon as its WebSocket
// is: so connect() knows how long a cold start takes, and why a login failed.
neonConfig.pipelineConnect = false;


// What stands in postgresql://user:password@host/database?options=...; other
// parameters are for clients with a TLS of their own.

export function parse(text) {
    const [, rest] = /^postgres(?:ql)?:(\/\/.*)$/.exec(text.trim()) ?? [];

    if (!rest) {
        throw new Error('A connection string begins with postgresql://');
    }

    // URL takes the host out of http: in every browser, but not out of others
    let url, user, password, path;

    try {
        url = new URL('http:' + rest);
        [user, password, path] = [url.username, url.password, url.pathname]
            .map(decodeURIComponent);
    } catch {
        throw new Error('This is no connection string');
    }

    if (!user) {
        throw new Error('The connection string names no user');
    }

    return {
        user, password, host: url.hostname,
        database: path.slice(1) || user,
        options: url.searchParams.get('options') ?? '',
    };
}


// The connection string without its password, and the password.

export function split(text) {
    const { password } = parse(text);

    return [text.trim().replace(/^([^:]+:\/\/[^:@/?#]*):[^/?#]*@/, '$1@'),
            password];
}


// The WebSocket goes to the host of this page.  Where the connection string
// has another name, its first label is said in `options` in place of SNI.

function options(config) {
    const [endpoint, ...domain] = config.host.split('.');

    if (config.host === location.hostname || domain.length === 0
        || /^[\d.]+$/.test(config.host)
        || /\b(?:endpoint|project)=/.test(config.options))
    {
        return config.options;
    }

    return `endpoint=${endpoint} ${config.options}`.trim();
}


// What is no Error is the event of a WebSocket, which says nothing.

function explained(error, text) {
    return error instanceof Error ? error : new Error(text);
}


// A query that keeps the first rows of each of its results, as text.

class Query extends Client.Query {
    constructor(text) {
        super({ text, rowMode: 'array',
                types: { getTypeParser: () => String } });

        this.kept = new Map();
        this.on('row', (row, result) => this.keep(result, row));
    }

    keep(result, row) {
        const kept = this.kept.get(result) ?? { rows: [], count: 0 };
        const limit = Math.min(ROWS, Math.ceil(CELLS / (row.length || 1)));

        kept.count++;
        if (kept.rows.length < limit) {
            kept.rows.push(row);
        }

        this.kept.set(result, kept);
    }

    // COPY TO STDOUT: a message is a line
    handleCopyData(message) {
        this._checkForMultirow();
        this.keep(this._result,
                  [message.chunk.toString().replace(/\n$/, '')]);
    }

    get results() {
        return [this._results].flat().map(result => ({
            command: result.command, affected: result.rowCount,
            fields: result.fields, rows: [], count: 0,
            ...this.kept.get(result),
        }));
    }
}


export class Session {
    // on: { notice, notification, end }
    constructor(config, on) {
        this.config = {
            user: config.user, database: config.database,
            host: config.host, options: options(config),
            application_name: 'SQL console',
            // as a function an empty one is a password, too
            password: () => config.password,
        };
        this.on = on;
        this.state = 'connecting';
        this.waited = false;
    }

    async connect() {
        const began = performance.now();
        const client = this.client = new Client(this.config);

        client.on('notice', notice => {
            // wake_notice
            this.waited ||= / is starting, please wait$/.test(notice.message);
            this.on.notice(notice);
        });
        client.on('notification', this.on.notification);
        client.on('error', error => {
            this.reason ??= explained(error, BROKEN);
        });

        try {
            await client.connect();
        } catch (error) {
            throw explained(error, UNOPENED);
        }

        client.on('end', () => this.ended());
        this.state = 'open';
        this.time = performance.now() - began;
        await this.ask(began);
    }

    // Was PostgreSQL started after we began?  Two durations are compared, so
    // its clock may show what it likes.
    async ask(began) {
        try {
            const { rows: [[version, up]] } = await this.client.query({
                text: `select pg_catalog.current_setting('server_version'),
                              extract(epoch from pg_catalog.clock_timestamp()
                              - pg_catalog.pg_postmaster_start_time())`,
                rowMode: 'array',
            });

            this.version = version.split(' ')[0];
            this.up = Number(up);
            this.started = this.up * 1000 < performance.now() - began;
        } catch (error) {
            // one that has no such functions may stay
            if (!this.client.readyForQuery) {
                throw error;
            }
        }
    }

    // { results, time, error }
    run(text) {
        return new Promise(resolve => {
            const query = new Query(text);
            const began = performance.now();

            const done = error => {
                this.failed = error;
                resolve({ results: query.results, error,
                          time: performance.now() - began });
            };

            query.on('end', () => done());
            query.on('error', error => done(explained(error, BROKEN)));
            this.client.query(query);
        });
    }

    // A cancel request is a WebSocket of its own; that it failed is seen by
    // the query going on.
    cancel() {
        const query = this.client.activeQuery;

        if (query) {
            const other = new Client(this.config);
            other.connection.on('error', () => {});
            other.cancel(this.client, query);
        }
    }

    // Why it ended is the last word of the server, to the query that ran or
    // to nobody.
    ended() {
        if (this.state === 'open') {
            this.state = 'ended';
            this.on.end(this.client.readyForQuery ? this.reason
                                                  : this.failed ?? this.reason);
        }
    }

    close() {
        if (this.state === 'connecting') {
            // no Terminate before the login
            this.client.connection.stream.destroy();
        } else {
            this.client.end().catch(() => {});
        }

        this.state = 'closed';
    }
}
