// The page: its forms, and what they show of a session.
//
// Whatever comes from a server is put in as text, and never as HTML.
//
// SPDX-License-Identifier: Apache-2.0

import { Session, parse, split } from './session.js';

const CHARACTERS = 1000;
const LOG_LINES = 100;

const NUMBERS = new Set([20, 21, 23, 26, 700, 701, 1700]);

const $ = id => document.getElementById(id);

let session;            // undefined: there is none
let ended = false;      // there was one, and the server ended it
let running = false;

const history = [];
let place = 0;          // in the history, its length: what is being typed
let draft = '';


// --- the look -------------------------------------------------------------

function make(name, text, ...children) {
    const element = document.createElement(name);

    element.textContent = text;
    element.append(...children);

    return element;
}


function log(text, kind = 'info') {
    const line = make('li', '');

    line.className = kind;
    line.append(make('time', new Date().toLocaleTimeString()), ' ', text);
    $('log').append(line);

    while ($('log').children.length > LOG_LINES) {
        $('log').firstChild.remove();
    }

    $('log').scrollTop = $('log').scrollHeight;
}


function show() {
    const open = session?.state === 'open';

    $('connect').textContent = session ? 'Disconnect' : 'Connect';
    $('run').setAttribute('aria-disabled', running);
    $('cancel').setAttribute('aria-disabled', !(running && open));

    document.body.dataset.state = !session ? ended ? 'ended' : 'closed'
                                : running && open ? 'running'
                                : session.state;
}


function state(text) {
    $('state').textContent = text;
    show();
}


function milliseconds(time) {
    return time < 100 ? `${time.toFixed(1)} ms` : `${Math.round(time)} ms`;
}


function duration(seconds) {
    const units = [['day', 86400], ['hour', 3600], ['minute', 60]];
    const [name, unit] = units.find(([, u]) => seconds >= u) ?? ['second', 1];
    const n = unit === 1 ? seconds.toFixed(seconds < 10 ? 1 : 0)
                         : Math.floor(seconds / unit);

    return plural(n, name);
}


function plural(n, name) {
    return `${n} ${name}${String(n) === '1' ? '' : 's'}`;
}


// --- errors and notices ---------------------------------------------------

function say(error) {
    return error.message + (error.code ? ` (SQLSTATE ${error.code})` : '');
}


function where(position, sql) {
    const lines = [...sql].slice(0, position - 1).join('').split('\n');

    return `line ${lines.length}, column ${[...lines.at(-1)].length + 1}`;
}


function report(error, sql) {
    const box = make('div', '');
    const list = make('dl', '');

    const fields = [
        ['SQLSTATE', error.code], ['Detail', error.detail],
        ['Hint', error.hint],
        ['Position', sql && error.position && where(error.position, sql)],
        ['Where', error.where], ['Schema', error.schema],
        ['Table', error.table], ['Column', error.column],
        ['Type', error.dataType], ['Constraint', error.constraint],
    ];

    for (const [name, value] of fields.filter(([, text]) => text)) {
        list.append(make('dt', name), make('dd', value));
    }

    box.className = 'error';
    box.setAttribute('role', 'alert');
    box.append(make('p', `${error.severity ?? 'Error'}: ${error.message}`),
               list);

    return box;
}


function notice(n) {
    const more = [n.detail && `Detail: ${n.detail}`,
                  n.hint && `Hint: ${n.hint}`].filter(Boolean);

    log([`${n.severity}: ${n.message}`, ...more].join('  '), 'notice');

    if (session?.state === 'connecting') {
        state(`Connecting: ${n.message}`);
    }
}


// --- results --------------------------------------------------------------

function cell(value, numeric) {
    if (value === null) {
        const td = make('td', 'NULL');
        td.className = 'null';
        return td;
    }

    const text = value.length <= CHARACTERS ? value
        : `${value.slice(0, CHARACTERS)}… (${value.length} characters)`;
    const td = make('td', text);

    td.className = numeric ? 'number' : 'text';

    return td;
}


function table(result) {
    // the lines of COPY have no names
    const fields = result.fields.length ? result.fields : [{ name: 'COPY' }];
    const numeric = fields.map(field => NUMBERS.has(field.dataTypeID));

    const head = make('tr', '', ...fields.map(field => {
        const th = make('th', field.name);
        th.scope = 'col';
        return th;
    }));

    const rows = result.rows.map(row => make('tr', '',
        ...row.map((value, i) => cell(value, numeric[i]))));

    return make('table', '', make('thead', '', head),
                make('tbody', '', ...rows));
}


// The command tag and, where rows came, how many of them are shown.

function tag(result) {
    const rows = result.fields.length || result.count;
    const counted = /^(?:INSERT|UPDATE|DELETE|MERGE)$/.test(result.command);
    const said = [result.command ?? 'empty query'];

    if (rows) {
        said.push(plural(result.count, 'row'));
    } else if (counted) {
        said.push(plural(result.affected, 'row'));
    }

    if (result.count > result.rows.length) {
        said.push(`the first ${result.rows.length} are shown`);
    }

    return said.join(', ');
}


// Of several results each has a caption.

function figure(result, number, several) {
    const box = make('figure', '');
    let label = 'summary';

    if (several) {
        const caption = make('figcaption', tag(result));

        label = caption.id = `result-${number}`;
        box.append(caption);
    }

    if (result.fields.length || result.count) {
        const frame = make('div', '', table(result));

        // what scrolls must be reached by the keyboard
        frame.className = 'frame';
        frame.tabIndex = 0;
        frame.setAttribute('role', 'group');
        frame.setAttribute('aria-labelledby', label);
        box.append(frame);
    }

    return box;
}


function answer({ results, time, error }, sql) {
    // of a failed query those that were complete
    const complete = error ? results.filter(r => r.command) : results;
    const several = complete.length > 1 || error;
    const boxes = complete.map((r, i) => figure(r, i + 1, several));

    if (error) {
        boxes.push(report(error, sql));
    }

    $('results').replaceChildren(...boxes);
    $('summary').textContent = (error ? 'Failed' : complete.map(tag).join('; '))
                               + `, ${milliseconds(time)}`;
}


// --- the session ----------------------------------------------------------

function cold(s) {
    if (s.started) {
        return ' Cold start: PostgreSQL was started for this connection.';
    }

    if (s.waited) {
        return ' Cold start: the connection was held until the endpoint was'
               + ' ready.';
    }

    return s.version ? ` PostgreSQL ${s.version} has been up for`
                       + ` ${duration(s.up)}.`
                     : '';
}


// A session that somebody closed meanwhile is not spoken of.

async function connect() {
    const again = ended;
    const config = { ...parse($('url').value), password: $('password').value };

    const s = session = new Session(config, {
        notice,
        notification: n => log(`NOTIFY ${n.channel}: ${n.payload}`, 'notice'),
        end: lost,
    });

    ended = false;
    state('Connecting');

    try {
        await s.connect();
    } catch (error) {
        if (s === session) {
            session = undefined;
            state('Not connected');
            log(`Not connected: ${say(error)}`, 'failure');
        }

        throw error;
    }

    if (s !== session) {
        throw new Error('The connection was given up');
    }

    const text = (again ? 'Reconnected' : 'Connected')
                 + ` in ${milliseconds(s.time)}.${cold(s)}`;

    log(again ? `${text} What belonged to the session that ended is gone:`
                + ' transaction, temporary tables, settings.'
              : text, s.started || s.waited ? 'cold' : 'info');
    state(text);

    return s;
}


// The next query connects again, and not we at once: that would wake a compute
// for a page that nobody looks at.

function lost(reason) {
    session = undefined;
    ended = true;

    log(`The session was ended: ${say(reason)}.`, 'failure');
    state('The session was ended; the next query connects again');
}


function disconnect() {
    session.close();
    session = undefined;

    log('Disconnected.');
    state('Not connected');
}


async function run(sql) {
    running = true;
    $('summary').textContent = 'Running';
    show();

    try {
        if (!session) {
            await connect();
        }

        answer(await session.run(sql), sql);
    } catch (error) {
        $('results').replaceChildren(report(error));
        $('summary').textContent = 'Not run';
    }

    running = false;
    show();
}


// --- what the user does ---------------------------------------------------

// The password goes into a field that does not show it.

function hide() {
    try {
        const [text, password] = split($('url').value);

        if (password) {
            $('url').value = text;
            $('password').value = password;
        }
    } catch {
        // what it is not yet is said by Connect
    }
}


// Behind the # a connection string may come in: that part of an address is
// never sent to a server.  It goes from the address, and from the history.

function prefill() {
    const text = location.hash.slice(1);

    if (text) {
        $('url').value = text;
        hide();
        window.history.replaceState(null, '', location.pathname);
        $('connect').focus();
    }
}


function remember(sql) {
    if (history.at(-1) !== sql) {
        history.push(sql);
    }

    place = history.length;
}


function recall(step) {
    const to = place + step;

    if (to < 0 || to > history.length) {
        return;
    }

    if (place === history.length) {
        draft = $('sql').value;
    }

    place = to;
    $('sql').value = history[place] ?? draft;
}


$('url').addEventListener('change', hide);

$('login').addEventListener('submit', async event => {
    event.preventDefault();

    if (session) {
        disconnect();
        return;
    }

    if (running) {
        return;
    }

    hide();

    try {
        await connect();
        $('results').replaceChildren();
        $('summary').textContent = 'None yet';
        $('sql').focus();
    } catch (error) {
        $('results').replaceChildren(report(error));
        $('summary').textContent = 'Not connected';
    }
});

$('query').addEventListener('submit', event => {
    event.preventDefault();

    const sql = $('sql').value;

    if (running || session?.state === 'connecting') {
        return;
    }

    remember(sql);
    hide();
    run(sql);
});

$('cancel').addEventListener('click', () => {
    if (running && session?.state === 'open') {
        session.cancel();
    }
});

$('sql').addEventListener('keydown', event => {
    const modified = event.ctrlKey || event.metaKey;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];

    if (event.key === 'Enter' && modified) {
        $('query').requestSubmit();
    } else if (event.key === 'Escape' && running) {
        $('cancel').click();
    } else if (step && (event.altKey || event.ctrlKey)) {
        recall(step);
    } else {
        return;
    }

    event.preventDefault();
});

window.addEventListener('hashchange', prefill);

prefill();
show();
