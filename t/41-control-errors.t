#!/usr/bin/perl

# What a client is told where the control plane says no, says nonsense or says
# nothing.

use lib 't/lib';
use NeonTest;

use JSON::PP ();
use Time::HiRes qw/time/;

my $t = NeonTest->new;
my ($n, $cp, $fc) = $t->front(main => <<'END');
control_plane_timeout connect=500ms request=500ms;
wake_retry attempts=3 base=10ms factor=1.5;
END

my $class = 'NeonTest::ControlPlane';

# every call is answered in this way; the client's error, and how many calls

sub said {
    my ($call, $answer, %o) = @_;

    $cp->always($call, $answer)->forget;
    my $c = $t->enter($n, %o);
    my $calls = () = $cp->calls($call);
    $cp->always($call, undef);

    return ($c, $calls);
}

sub check {
    my ($name, $call, $answer, $code, $message, $times) = @_;

    my ($c, $calls) = said($call, $answer);

    is($c->error && $c->error->{C}, $code, "$call, $name: SQLSTATE");
    is($c->error && $c->error->{M}, $message, "$call, $name: message");
    is($c->error && $c->error->{S}, 'FATAL', "$call, $name: FATAL");
    is($calls, $times, "$call, $name: calls") if defined $times;
    ok(!$c->{ready}, "$call, $name: no session");
}

my $failed = 'Control plane request failed';
my $missing = "$failed: endpoint cannot be found";
my $disabled = "$failed: endpoint is disabled";
my $quota = "$failed: endpoint is temporarily unavailable. Check your quotas"
            . ' and/or contact our support.';


# --- by HTTP status alone ------------------------------------------------

for my $case ([ 400, '57P03', $failed ], [ 401, '57P03', $failed ],
              [ 406, '57P03', $disabled ], [ 422, '53400', $quota ],
              [ 423, '53400', $quota ], [ 500, '57P03', $failed ],
              [ 503, '57P03', $failed ])
{
    my ($status, $code, $message) = @$case;

    for my $answer ({ status => $status, json => { error => 'text' } },
                    { status => $status, body => '<html>' },
                    { status => $status, body => '' })
    {
        my $what = $answer->{body} // 'JSON';

        check("$status with '$what'", $_, { %$answer }, $code, $message)
            for qw/access wake/;
    }
}

my ($c, $calls) = said(wake => { status => 404, json => { error => 'x' } });
is($c->error->{M}, $missing, 'wake, 404: message');

($c) = said(access => { status => 404, json => { error => 'x' } });
is($c->error_text, '28P01 password authentication failed for user "alice"',
   'access, 404: as a wrong password');


# --- by reason -----------------------------------------------------------

for my $reason (qw/NON_PRIMARY_BRANCH_COMPUTE_TIME_EXCEEDED
                   ACTIVE_TIME_QUOTA_EXCEEDED COMPUTE_TIME_QUOTA_EXCEEDED
                   WRITTEN_DATA_QUOTA_EXCEEDED DATA_TRANSFER_QUOTA_EXCEEDED
                   LOGICAL_SIZE_QUOTA_EXCEEDED
                   ACTIVE_ENDPOINTS_LIMIT_EXCEEDED/)
{
    ($c, $calls) = said(wake => $class->error(422, $reason));
    is($c->error->{C}, '53400', "wake, $reason: SQLSTATE");
    is($calls, 1, "wake, $reason: not tried again");
    ok($c->error->{H}, "wake, $reason: a hint");
}

for my $reason (qw/RUNNING_OPERATIONS CONCURRENCY_LIMIT_REACHED
                   LOCK_ALREADY_TAKEN ENDPOINT_IDLE
                   PROJECT_UNDER_MAINTENANCE/)
{
    ($c, $calls) = said(wake => $class->error(503, $reason));
    is($c->error->{C}, '57P03', "wake, $reason: SQLSTATE");
    is($calls, 3, "wake, $reason: tried again");
    ok($c->error->{H}, "wake, $reason: a hint");
}

for my $reason (qw/RESOURCE_NOT_FOUND PROJECT_NOT_FOUND ENDPOINT_NOT_FOUND
                   BRANCH_NOT_FOUND/)
{
    ($c, $calls) = said(access => $class->error(404, $reason));
    is($c->error_text, '28P01 password authentication failed for user'
       . ' "alice"', "access, $reason: as a wrong password");
    is_deeply($c->{auth}, [ 10, 11 ], "access, $reason: after SCRAM");
    is($calls, 1, "access, $reason: one call");

    ($c, $calls) = said(wake => $class->error(404, $reason));
    is($c->error->{M}, $missing, "wake, $reason: message");
    is($calls, 1, "wake, $reason: one call");
}

($c, $calls) = said(wake => $class->error(406, 'ENDPOINT_DISABLED'));
is($c->error->{M}, $disabled, 'wake, ENDPOINT_DISABLED: message');
is($c->error->{C}, '57P03', 'wake, ENDPOINT_DISABLED: SQLSTATE');
is($calls, 1, 'wake, ENDPOINT_DISABLED: one call');

($c, $calls) = said(wake => $class->error(429, 'RATE_LIMIT_EXCEEDED'));
is($c->error->{C}, '53300', 'wake, RATE_LIMIT_EXCEEDED: SQLSTATE');
is($calls, 1, 'wake, RATE_LIMIT_EXCEEDED: one call');

($c, $calls) = said(access => $class->error(403, 'ROLE_PROTECTED'));
is($c->error->{C}, '28000', 'access, ROLE_PROTECTED: SQLSTATE');

check('unknown reason', 'wake', $class->error(500, 'BRAND_NEW'), '57P03',
      $failed, 1);
check('no reason', 'wake', $class->error(500), '57P03', $failed, 1);

# what is meant for users is what they get
check('user_facing_message', 'wake',
      $class->error(423, 'ACTIVE_TIME_QUOTA_EXCEEDED', text =>
                    "Your account \"x\" has used its hours \x{20ac}."),
      '53400', "Your account \"x\" has used its hours \xe2\x82\xac.", 1);
check('user_facing_message without reason', 'access',
      $class->error(500, undef, text => 'Something for you.'), '57P03',
      'Something for you.');

($c) = said(wake => $class->error(500, undef, text => "a\nb\x00c\x1b[31m"));
unlike($c->error->{M}, qr/[\0\x1b]/, 'no control bytes in the message');

# what is meant for the log is what the log gets
said(wake => $class->error(500, 'BRAND_NEW', log => 'secret for the log'));
$n->log_like(qr/secret for the log/, "the control plane's text is in the log");


# --- retried -------------------------------------------------------------

for my $answer ($class->error(500, 'BRAND_NEW', retry => 10),
                $class->error(423, 'ACTIVE_TIME_QUOTA_EXCEEDED', retry => 10))
{
    ($c, $calls) = said(wake => $answer);
    is($calls, 3, 'retry_info: tried again, whatever the reason is');
}

for my $answer ($class->error(503, 'RUNNING_OPERATIONS'), { close => 1 },
                { reset => 1 }, { hang => 1 },
                $class->error(503, 'X', retry => 30))
{
    my $how = join ' ', grep { $_ ne 'json' } sort keys %$answer;

    for my $call (qw/wake/) {
        $cp->script($call => { %$answer }, { %$answer });
        $cp->forget;
        $c = $t->enter($n);
        is($c->error_text, '', "$call, twice $how, then right: logged in");
        is(scalar(() = $cp->calls($call)), 3, "$call, $how: three calls");
        $c->close;
    }
}

# an error of transport says nothing about the role: it is tried again too
$cp->script(access => { close => 1 });
$c = $t->enter($n);
is($c->error_text, '', 'access, closed once: logged in');
$c->close;


# --- nonsense ------------------------------------------------------------

my $json = JSON::PP->new->utf8;
my $deep = 100_000;

my %nonsense = (
    'no JSON'            => { body => 'no json' },
    'HTML'               => { body => '<html><body>200</body></html>' },
    'nothing'            => { body => '' },
    'half of it'         => { body => '{"address":"127.0.0.1:54' },
    'an array'           => { body => '[]' },
    'a string'           => { body => '"x"' },
    'null'               => { body => 'null' },
    'no field'           => { body => '{}' },
    'more behind it'     => { body => '{"address":"127.0.0.1:1"} {"a":1}' },
    'deep'               => { body => '{"a":' . '[' x $deep . ']' x $deep
                                      . '}' },
    'large'              => { body => '{"a":"' . 'x' x 3_000_000 . '"}' },
    'not UTF-8'          => { body => "{\"address\":\"\xff\xfe\"}" },
    'not HTTP'           => { raw => "hello\r\n\r\n" },
    'binary'             => { raw => join '', map { chr } 0 .. 255 },
    'empty'              => { raw => '' },
    'cut off'            => { truncate => 20 },
    'a redirect'         => { status => 302, headers => { Location =>
                              'http://127.0.0.1:' . $cp->port . '/x' } },
    'endless headers'    => { raw => "HTTP/1.1 200 OK\r\n"
                                     . "X: y\r\n" x 100_000 },
);

for my $name (sort keys %nonsense) {
    for my $call (qw/access wake/) {
        my ($c) = said($call, { %{ $nonsense{$name} } });

        is($c->error && $c->error->{C}, '57P03', "$call, $name: SQLSTATE");
        is($c->error && $c->error->{M}, $failed, "$call, $name: message");
    }
}

# the right answer, but more of it than there is room for

my %address = (address => $fc->address, aux => {});

for my $case ([ 'a body of no length', '', 3_000_000 ],
              [ 'many headers', 'X: ' . 'y' x 95 . "\r\n", 0 ])
{
    my ($name, $header, $size) = @$case;
    my ($c) = said(wake => { raw => "HTTP/1.1 200 OK\r\n" . $header x 1000
        . "\r\n" . $json->encode({ %address, more => 'x' x $size }) });

    is($c->error && $c->error->{C}, '57P03', "$name: SQLSTATE");
}

my ($whole) = said(wake => { raw => "HTTP/1.1 200 OK\r\n\r\n"
                                    . $json->encode(\%address) });
is($whole->error_text, '', 'less of it is taken');
$whole->close;

for my $address ('', 'nowhere', '127.0.0.1', '127.0.0.1:', '127.0.0.1:0',
                 '127.0.0.1:99999', '127.0.0.1:5x', ':5432', '[::1:5432',
                 'a b:5432', "a\0b:5432", 'http://x:5432', 'x' x 300 . ':1',
                 5432, undef, [], { host => 'x' }, JSON::PP::true)
{
    my $shown = $json->encode([ $address ]);
    my ($c) = said(wake => { merge => { address => $address } });

    is($c->error && $c->error->{C}, '57P03',
       "address $shown: SQLSTATE") or diag($c->error_text);
}

for my $secret (1, [], { a => 1 }, JSON::PP::true) {
    my ($c) = said(access => { merge => { role_secret => $secret } });
    like($c->error && $c->error->{C}, qr/^(?:57P03|28P01)$/,
         'role_secret ' . $json->encode([ $secret ]) . ': refused');
}

# a role without password
for my $none (undef, '') {
    my ($c) = said(access => { merge => { role_secret => $none } });
    is($c->error_text, '28P01 password authentication failed for user "alice"',
       'role_secret ' . $json->encode([ $none ]) . ': as a wrong password');
    is_deeply($c->{auth}, [ 10, 11 ], 'and not before the proof');
}

# fields that we do not know, and those that are null
for my $call (qw/access wake/) {
    my ($c) = said($call, { merge => { new_field => { a => [ 1, 2, {} ] },
        project_id => undef, account_id => undef, allowed_ips => undef,
        allowed_vpc_endpoint_ids => undef, rate_limits => undef,
        server_name => undef, aux => { cold_start_info => 'brand_new',
        other => [ [] ] } } });
    is($c->error_text, '', "$call, unknown fields and nulls: logged in");
    $c->close;
}

($c) = said(wake => { headers => { 'Content-Length' => undef,
    'Transfer-Encoding' => 'chunked' }, body =>
    do { my $b = $json->encode({ address => $fc->address, aux => {} });
         sprintf "%x\r\n%s\r\n0\r\n\r\n", length $b, $b } });
is($c->error_text, '', 'a chunked answer');
$c->close;


# --- slow ----------------------------------------------------------------

for my $call (qw/access wake/) {
    my ($c) = said($call, { hang => 1 });
    is($c->error_text, "57P03 $failed", "$call, no answer");

    ($c) = said($call, { slow => 0.02 });
    is($c->error_text, "57P03 $failed", "$call, byte by byte");

    ($c) = said($call, { delay => 0.2 });
    is($c->error_text, '', "$call, 200 ms: logged in");
    $c->close;
}


# --- not there -----------------------------------------------------------

$cp->stop;
$c = $t->enter($n);
is($c->error_text, "57P03 $failed", 'connection refused');
ok($c->error->{H}, 'connection refused: a hint');

$cp->resume;
$c = $t->enter($n);
is($c->error_text, '', 'there again: logged in');
is($c->value('hello'), 'hello', 'there again: a query');
$c->close;

my $nowhere = $t->nginx(main => "control_plane http://no-such.invalid/v1;\n"
                                . "wake_retry attempts=2 base=10ms;\n");
$c = $t->enter($nowhere);
is($c->error_text, "57P03 $failed", 'its name cannot be resolved');

unlike($n->log, qr/test-token/, 'the token is not in the log');

$t->done;
