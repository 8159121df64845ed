#!/usr/bin/perl

# The status page of a proxy, for people and as JSON: what it shows, what it
# does not, and that no name of a stranger becomes a part of its form.

use lib 't/lib';
use NeonTest;
use NeonTest::Page;

use Encode qw/decode/;
use IO::Socket::INET;
use JSON::PP ();
use Mojo::DOM;

my $t = NeonTest->new;
my $port = $t->port;
my $page = NeonTest::Page->new($port);

my ($n, $cp, $fc) = $t->front(cache => 1, workers => 2,
    http => NeonTest::Page->server($port, 'main'));


# the page as a tree: UTF-8, each element closed where it should be, each cell
# of a table with its headers

sub html {
    my ($name, $from) = @_;

    my $html = ($from // $page)->get('/status')->{content};
    my $text = eval { decode('UTF-8', $html, Encode::FB_CROAK) };
    ok(defined $text, "$name: UTF-8") or return Mojo::DOM->new('');
    unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f-\x9f]/,
           "$name: no control characters");

    my @open;
    my $rest = $text =~ s/\A<!DOCTYPE html>\n//r;

    while ($rest =~ m{\G[^<]*<(/?)([a-z0-9]+)((?:\s+[a-z-]+="[^"<>]*")*)>}gc) {
        if ($1) {
            last if !@open || $open[-1] ne $2;
            pop @open;

        } elsif ($2 ne 'meta') {
            push @open, $2;
        }
    }

    is(substr($rest, pos($rest) // 0), "\n", "$name: well-formed");
    is("@open", '', "$name: all is closed");
    unlike($rest =~ s/<style>.*<\/style>//sr, qr/&(?!(?:amp|lt|gt|quot);)/,
           "$name: entities");

    my $dom = Mojo::DOM->new($text);

    $dom->find('table')->each(sub {
        my $table = shift;
        my $id = $table->attr('aria-labelledby');
        my $columns = $table->find('thead th[scope="col"]')->size;

        is($dom->find("h2#$id")->size, 1, "$name: table $id has a heading");
        $table->find('tbody tr')->each(sub {
            my $row = shift;

            return if $row->children->size == $columns
                      && $row->find('th[scope="row"]')->size == 1;
            fail("$name: table $id: the row " . $row->to_string);
        });
    });

    return $dom;
}

# a table's rows: name => [ cells ]

sub rows {
    my ($dom, $id) = @_;

    my %rows;

    $dom->find("table[aria-labelledby=\"$id\"] tbody tr")->each(sub {
        my ($name, @cells) = map { $_->all_text } @{ $_[0]->children };
        $rows{$name} = \@cells;
    });

    return \%rows;
}

# until JSON says what is expected; counters follow their events a bit later

sub until_json(&$) {
    my ($code, $name) = @_;

    my $json;

    eventually { $json = $page->json; local $_ = $json; $code->() } $name;
    return $json;
}


# --- before the first session --------------------------------------------

my $json = until_json { @{ $_->{workers} } == 2 } 'two workers';

is($json->{proxy}, 'main', 'proxy');
like($json->{nginx}, qr/^\d+\.\d+\.\d+$/, 'version of nginx');
like($json->{module}, qr/^\d+\.\d+\.\d+$/, 'version of the module');
like($json->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'time');

my %none = map { $_ => 0 } qw/ok cancel client control_plane compute proxy/;
is_deeply($json->{sessions}{$_}, { open => 0, ended => \%none, bytes =>
          { to_compute => 0, to_client => 0 } }, "no session by $_")
    for qw/tcp ws http/;

is(join(' ', sort map { $_->{pid} } @{ $json->{workers} }),
   join(' ', sort $n->workers), 'workers: pid');
like($_->{since}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'worker: since'),
    is($_->{sessions}, 0, 'worker: sessions'),
    is($_->{state}, 'active', 'worker: state') for @{ $json->{workers} };

is_deeply($json->{caches}{$_->[0]}, { size => $_->[1], hit_ratio => undef,
          map { $_ => 0 } qw/entries hits misses expired stale spurious
          insertions evictions_size evictions_memory invalidations/ },
          "cache $_->[0]") for [ node => 4000 ], [ secret => 10000 ];

my %flights = (led => 0, joined => 0, took_over => 0);
is_deeply($json->{flights}, { node => \%flights, secret => \%flights,
          now => 0, waiting => 0 }, 'flights');

my %call = map { $_ => { count => 0, mean_ms => undef } }
           qw/ok refused failed/;
is_deeply($json->{control_plane}, { access => \%call, wake => \%call },
          'calls of the control plane');

is_deeply($json->{computes}, [], 'computes');
is_deeply($json->{connect_failures}, { cached => 0, fresh => 0 },
          'connect failures');
is_deeply($json->{retries}, { wake => 0, connect => 0 }, 'retries');
is_deeply($json->{cancels}, { map { $_ => 0 } qw/forwarded orphan not_found
          denied limited failed/ }, 'cancels');
is_deeply($json->{errors}, [], 'errors');

my $zone = $json->{zone};
is($zone->{size}, 32 * 1024 * 1024, 'size of the zone');
is($zone->{used} + $zone->{free}, $zone->{size}, 'used and free');
is($zone->{recoveries}, 0, 'recoveries');

my $dom = html('empty');
is($dom->find('h1')->map('all_text')->join('|'), 'neon_proxy main',
   'the heading');
is($dom->at('html')->attr('lang'), 'en', 'language');
ok($dom->at('meta[name="viewport"]'), 'fit for phones');
is($dom->find('script, link, img, iframe, object, form, [style], [onclick],'
              . ' [src]')->size, 0, 'nothing but text');
is($dom->find('a')->map(attr => 'href')->join(' '), '?format=json',
   'the only link');
like($dom->at('style')->text, qr/prefers-color-scheme:dark/, 'dark and light');
unlike($dom->at('style')->text, qr/url|import/i, 'nothing is loaded');


# --- sessions ------------------------------------------------------------

my $c = $t->enter($n);
$c->value('x');
$json = until_json { $_->{sessions}{tcp}{open} == 1 } 'a session';
is(join(' ', sort map { $_->{sessions} } @{ $json->{workers} }), '0 1',
   'a session of one worker');
is($json->{flights}{$_}{led}, 1, "$_: led") for qw/node secret/;
is($json->{caches}{node}{hit_ratio}, 0, 'no hit yet');

my $compute = $json->{computes}[0];
is($compute->{endpoint}, 'ep-1', 'a compute: endpoint');
is($compute->{options}, '', 'a compute: options');
is($compute->{state}, 'known', 'a compute: state');
cmp_ok($compute->{left_s}, '>', 200, 'a compute: time left');
cmp_ok($compute->{left_s}, '<=', 300, 'a compute: time left, in seconds');

$c->close;
$t->enter($n, password => 'wrong');
$c = $t->enter($n);
$c->value('x');
$json = until_json { $_->{sessions}{tcp}{open} == 1
                     && $_->{sessions}{tcp}{ended}{ok} == 1
                     && $_->{sessions}{tcp}{ended}{client} == 1 }
        'sessions by outcome';

is($json->{caches}{node}{hit_ratio}, 0.5, 'hit ratio, nodes');
is($json->{caches}{secret}{hit_ratio}, 0.666, 'hit ratio, secrets');
is_deeply($json->{errors}, [ { reason => 'password', sqlstate => '28P01',
          message => 'password authentication failed', count => 1 } ],
          'an error');

for my $call (qw/access wake/) {
    my $ok = $json->{control_plane}{$call}{ok};

    is($ok->{count}, 1, "$call: count");
    cmp_ok($ok->{mean_ms}, '>', 0, "$call: mean");
    cmp_ok($ok->{mean_ms}, '<', 30000, "$call: mean, in ms");
}

$dom = html('sessions');
my $rows = rows($dom, 'sessions');
is("@{ $rows->{Open} }", '1 0 0', 'HTML: open');
is("@{ $rows->{'Ended well'} }", '1 0 0', 'HTML: ended well');
is("@{ $rows->{'Failed: client'} }", '1 0 0', 'HTML: failed');
is("@{ rows($dom, 'caches')->{Hits} }", '1 2', 'HTML: hits');
is("@{ rows($dom, 'caches')->{'Hit ratio'} }", '50.0 % 66.6 %',
   'HTML: hit ratio');
is("@{ rows($dom, 'flights')->{Led} }", '1 1', 'HTML: flights');
is("@{ rows($dom, 'errors')->{password} }",
   '1 28P01 password authentication failed', 'HTML: an error');
like("@{ rows($dom, 'computes')->{'ep-1'} }", qr/^known 2\d\d s$/,
     'HTML: a compute');
is(join(' ', sort keys %{ rows($dom, 'workers') }),
   join(' ', sort $n->workers), 'HTML: workers');

# who may log in is nobody's business

my $all = $page->get('/status')->{content}
          . $page->get('/status?format=json')->{content}
          . $page->get('/metrics')->{content};
unlike($all, qr/alice|SCRAM|\Q$t->{verifier}/, 'no role, no verifier');

$n->reload;
until_json { join(' ', sort map { "$_->{state} $_->{sessions}" }
                             @{ $_->{workers} })
             eq 'active 0 active 0 draining 1' } 'reload: the old one drains';
$c->close;


# --- names of strangers --------------------------------------------------

my $hostile = qq{<script>alert("1")</script>&amp;'\x01\xff\xc3(\xc2\x85}
              . qq{\xed\xa0\x80\xe2\x82\xac};
my $clean = qq{<script>alert("1")</script>&amp;'\x{fffd}\x{fffd}\x{fffd}(}
            . qq{\x{fffd}\x{fffd}\x{fffd}\x{fffd}\x{fffd}\x{20ac}};

$c = $t->enter($n, params => [ options => "neon_b:$hostile neon_a:1" ]);
is($c->error_text, '', 'hostile options: a login');
$c->close;

$json = until_json { @{ $_->{computes} } == 2 } 'hostile options: two entries';
is($json->{computes}[0]{options}, "a:1 b:$clean",
   'hostile options: as they are, in JSON');
is($json->{computes}[0]{endpoint}, 'ep-1', 'hostile options: endpoint');

$dom = html('hostile options');
is($dom->find('script')->size, 0, 'hostile options: no element');
ok(exists rows($dom, 'computes')->{"ep-1 a:1 b:$clean"},
   'hostile options: as they are, in HTML');

# the name of the proxy is of the administrator, and yet

my $odd = $t->port;
my $odd_page = NeonTest::Page->new($odd);
my $name = qq{a<b>"c\\d'&\xff};
my $quoted = $name =~ s/(["\\])/\\$1/gr;

my $other = $t->nginx(pass => "neon_proxy_pass \"$quoted\";",
    globals => "neon_proxy \"$quoted\" { zone odd 1m;"
               . $cp->directives . '}',
    http => NeonTest::Page->server($odd, $quoted));

is($odd_page->json->{proxy}, qq{a<b>"c\\d'&\x{fffd}}, 'odd name: JSON');
$dom = html('odd name', $odd_page);
is($dom->at('h1')->all_text, qq{neon_proxy a<b>"c\\d'&\x{fffd}},
   'odd name: HTML');
like($odd_page->get('/metrics')->{content},
     qr/proxy="a<b>\\"c\\\\d'&\xef\xbf\xbd"/, 'odd name: metrics');


# --- entries of the node cache -------------------------------------------

# expired at once, but kept; refused; more than the page shows

my $many = $t->port;
my $many_page = NeonTest::Page->new($many);
my ($m, $mcp) = $t->front(cache => 1, plain => 1,
    main => "node_cache ttl=1ms stale=1h;\nlimit_unknown off;\n",
    http => NeonTest::Page->server($many, 'main'));
my @plain = (tls => 'none', user => 'alice', password => 'pw');

$c = $t->enter($m, @plain, params => [ options => 'endpoint=ep-1' ]);
is($c->error_text, '', 'short-lived: a login');
$c->close;
eventually { ($many_page->json->{computes}[0]{state} // '') eq 'expired' }
    'short-lived: expired';
is($many_page->json->{computes}[0]{left_s}, 0, 'short-lived: no time left');

$mcp->always(wake => $mcp->error(423, undef));

for (1 .. 102) {
    $t->enter($m, @plain, params => [ options => "endpoint=ep-1 neon_n:$_" ]);
}

$json = $many_page->json;
is($json->{caches}{node}{entries}, 103, 'many: entries');
is(scalar @{ $json->{computes} }, 100, 'many: not all are shown');
is($json->{computes}[0]{options}, 'n:102', 'many: the last used is first');
is($json->{computes}[0]{state}, 'refused', 'many: refused');
is($json->{computes}[99]{options}, 'n:3', 'many: the oldest are missing');

$dom = html('many', $many_page);
is(scalar keys %{ rows($dom, 'computes') }, 100, 'many: HTML');
like($dom->at('section[aria-labelledby="computes"] p')->text,
     qr/\b100 of 103\b/, 'many: HTML says so');


# --- HTTP ----------------------------------------------------------------

my $r = $page->get('/status');
is($r->{status}, 200, 'GET');
is($r->{headers}{'content-type'}, 'text/html; charset=utf-8', 'HTML: type');
is($r->{headers}{'cache-control'}, 'no-store', 'HTML: Cache-Control');
like($r->{headers}{'content-security-policy'}, qr/default-src 'none'/,
     'HTML: Content-Security-Policy');
is($r->{headers}{'x-content-type-options'}, 'nosniff', 'HTML: nosniff');

$r = $page->get('/status?format=html');
is($r->{headers}{'content-type'}, 'text/html; charset=utf-8', 'format=html');

$r = $page->get('/status?format=json');
is($r->{headers}{'content-type'}, 'application/json', 'JSON: type');
is($r->{headers}{'cache-control'}, 'no-store', 'JSON: Cache-Control');

for my $format ('xml', '', 'JSON', 'jsonx', '%3Cb%3E') {
    $r = $page->get("/status?format=$format");
    is($r->{status}, 400, "format=$format");
    like($r->{headers}{'content-type'}, qr{^text/plain}, "$format: type");
    like($r->{content}, qr/"html" or "json"/, "$format: what is accepted");
    cmp_ok(length $r->{content}, '<', 100, "$format: short");
}

for my $method (qw/POST PUT DELETE OPTIONS/) {
    $r = $page->request($method, '/status', content => 'x' x 1000);
    is($r->{status}, 405, $method);
    is($r->{headers}{allow}, 'GET, HEAD', "$method: Allow");
}

# HEAD has the headers of GET, and nothing behind them

for my $path ('/status', '/status?format=json', '/metrics',
              '/status?format=xml')
{
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die $@;
    print $s "HEAD $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    my $answer = do { local $/; <$s> };

    like($answer, qr/\AHTTP\/1\.1 [24]00 .*\r\n\r\n\z/s, "HEAD $path");
    unlike($answer, qr/\r\n\r\n./s, "HEAD $path: no body");
    like($answer, qr/^Content-Length: [1-9]/m, "HEAD $path: length");
}


# --- configuration -------------------------------------------------------

# an "if" has a configuration of its own; charset adds nothing to the types;
# two proxies have two of everything

my $two = $t->port;
my $pages = NeonTest::Page->new($two);
my ($w) = $t->front(cache => 1, workers => 1, control_plane => $cp,
    globals => "neon_proxy other { zone other 1m;" . $cp->directives . '}',
    http => <<"END");
charset koi8-r;
server {
    listen 127.0.0.1:$two;
    location = /status { neon_proxy_status main; if (\$arg_a) { set \$x 1; } }
    location = /metrics { neon_proxy_metrics main; }
    location = /other { neon_proxy_status other; }
}
END

$c = $t->enter($w);
$c->close;
$pages->wait_for('sessions_total{proxy="main",front="tcp",outcome="ok"}', 1,
                 'two proxies: a login at one');
is($pages->json->{proxy}, 'main', 'two proxies: the one');

my $second = JSON::PP->new->utf8->decode(
                 $pages->get('/other?format=json')->{content});
is($second->{proxy}, 'other', 'two proxies: the other');
is($second->{sessions}{tcp}{ended}{ok}, 0, 'two proxies: no login there');
is($second->{zone}{size}, 1024 * 1024, 'two proxies: its own zone');

$r = $pages->get('/status?format=json&a=1');
is($r->{status}, 200, 'an "if" in the location');
is(JSON::PP->new->utf8->decode($r->{content})->{proxy}, 'main',
   'an "if" in the location: the same proxy');
is($pages->get('/status')->{headers}{'content-type'},
   'text/html; charset=utf-8', 'charset: HTML');
is($pages->get('/metrics')->{headers}{'content-type'},
   'text/plain; version=0.0.4; charset=utf-8', 'charset: metrics');

sub check {
    my ($location) = @_;

    return $t->nginx_test(main => $cp->directives, http =>
        "server {\nlisten 127.0.0.1:12345;\n$location\n}");
}

my ($rc, $log) = check('location / { neon_proxy_status main; }');
is($rc, 0, 'nginx -t') or diag($log);

for my $bad ('location / { neon_proxy_status nobody; }',
             'location / { neon_proxy_metrics nobody; }',
             'location / { neon_proxy_status; }',
             'location / { neon_proxy_status main main; }',
             'location / { neon_proxy_status main; neon_proxy_status main; }',
             'location / { neon_proxy_status main; neon_proxy_metrics main; }',
             'location / { proxy_pass http://127.0.0.1:1;'
             . ' neon_proxy_metrics main; }',
             'neon_proxy_status main;')
{
    ($rc, $log) = check($bad);
    isnt($rc, 0, "$bad refused");
    like($log, qr{\[emerg\].*(?:nobody|neon_proxy_).* in \S+nginx\.conf:\d+},
         'with file and line');
}

$t->done;
