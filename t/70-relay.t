#!/usr/bin/perl

# After the login bytes go both ways: all of them, in order, however they are
# cut, however slow somebody is.

use lib 't/lib';
use NeonTest;
use NeonTest::Wire;

use Digest::MD5 qw/md5_hex/;

my $t = NeonTest->new;
my $pg = $t->postgres;
my $n = $t->nginx(main => $t->static($pg), plain => 1);
my $password = $pg->password('alice');

sub enter {
    my ($tls, %o) = @_;

    my $c = $t->enter($n, tls => $tls, password => $password,
                      params => [ options => 'endpoint=ep-1' ], %o);
    is($c->error_text, '', "$tls: logged in") if !$o{stop};
    return $c;
}


# --- a real PostgreSQL ---------------------------------------------------

for my $tls (qw/none inband direct/) {
    my $c = enter($tls);

    # rows from nothing to 50 MB
    for my $size (0, 1, 100, 8191, 8192, 16384, 65535, 65536, 100_000,
                  50_000_000)
    {
        my $value = $c->value("select repeat('abcdefghij', "
                              . int($size / 10) . ") || repeat('x', "
                              . $size % 10 . ')');
        is(length $value, $size, "$tls: a row of $size bytes");
    }

    # queries of the same sizes
    for my $size (1000, 20_000, 1_000_000) {
        my $text = 'q' x $size;
        is($c->value("select md5('$text')"), md5_hex($text),
           "$tls: a query of $size bytes");
    }

    my $r = $c->query('select n from generate_series(1, 100000) n');
    is(scalar @{ $r->{rows} }, 100_000, "$tls: 100000 rows");
    is($r->{rows}[-1][0], '100000', "$tls: the last one");

    # many small queries in one go
    $c->send(join '', map { message('Q', "select $_\0") } 1 .. 500);
    my @got = map { $c->result->{rows}[0][0] } 1 .. 500;
    is_deeply(\@got, [ 1 .. 500 ], "$tls: 500 queries in one write");

    # an error leaves the session usable
    is($c->query('select 1/0')->{error}{C}, '22012', "$tls: an error");
    is($c->value('select 1'), 1, "$tls: and on it goes");

    # extended protocol
    $c->send(message('P', "s\0select \$1::int + 1\0" . pack('n', 0))
             . message('B', "\0s\0" . pack('nnNa*n', 0, 1, 2, '41', 0))
             . message('E', "\0" . pack 'N', 0) . message('S'));
    is($c->result->{rows}[0][0], 42, "$tls: extended protocol");
    $c->close;
}

# --- bytes behind the proof ----------------------------------------------

for my $tls (qw/none inband direct/) {
    my $c = enter($tls, stop => 1);

    # nothing was answered yet: all of this waits in the proxy
    $c->send(message('Q', "select 'early'\0"));
    $c->authenticate;
    is($c->error_text, '', "$tls: a query behind the proof: logged in");
    is($c->result->{rows}[0][0], 'early', "$tls: it was forwarded first");
    is($c->value("select 'late'"), 'late', "$tls: and on it goes");
    $c->close;

    $c = enter($tls, stop => 1);
    $c->send(message('Q', 'select md5(\'' . 'x' x 300_000 . "')\0")
             . message('X'));
    $c->authenticate;
    is($c->result->{rows}[0][0], md5_hex('x' x 300_000),
       "$tls: 300 kB behind the proof");
    is($c->read_all, '', "$tls: and Terminate");
}

# with the very bytes of the proof, in one segment
{
    my $c = $t->client(port => $n->plain_port);
    my $scram = NeonTest::Scram->client($password);
    my $first = $scram->first;

    $c->send(startup_packet([ user => 'alice', database => 'app',
                              options => 'endpoint=ep-1' ]));
    $c->read_message;
    $c->send(message('p', "SCRAM-SHA-256\0" . pack('N', length $first)
                          . $first));
    my $final = $scram->final(substr $c->read_message->{body}, 4);
    $c->send(message('p', $final) . message('Q', "select 'same'\0"));
    $c->{scram} = $scram;
    $c->authenticate;
    is($c->result->{rows}[0][0], 'same', 'in the segment of the proof');
    $c->close;
}

# --- LISTEN and NOTIFY ---------------------------------------------------

{
    my $listener = enter('inband');
    my $notifier = enter('none');

    $listener->query('listen channel');
    $notifier->query("notify channel, 'payload $_'") for 1 .. 3;

    my @got = map { $listener->read_message } 1 .. 3;
    is_deeply([ map { $_->{type} } @got ], [ 'A', 'A', 'A' ],
              'NotificationResponse comes without a query');
    like($got[2]{body}, qr/channel\0payload 3\0$/, 'with its payload');
    $_->close for $listener, $notifier;
}

# --- COPY ----------------------------------------------------------------

{
    my $c = enter('inband');
    $c->query('create temp table lines (line text)');
    $c->send(message('Q', "copy lines from stdin\0"));
    is($c->read_message->{type}, 'G', 'CopyInResponse');
    $c->send(message('d', "line $_\n")) for 1 .. 1000;
    $c->send(message('c'));
    is($c->result->{tag}, 'COPY 1000', 'COPY in');

    $c->send(message('Q', "copy lines from stdin\0"));
    $c->read_message;
    $c->send(message('d', "more\n") . message('f', "changed my mind\0"));
    is($c->result->{error}{C}, '57014', 'CopyFail');
    is($c->value('select count(*) from lines'), 1000, 'and on it goes');
    $c->close;
}

# --- the server ends the session -----------------------------------------

{
    my $c = enter('inband');
    my $pid = $c->value('select pg_backend_pid()');
    $pg->sql('select pg_terminate_backend(?)', $pid);
    my $m = $c->read_message;
    is($m->{type}, 'E', 'pg_terminate_backend: an ErrorResponse');
    is(error_fields($m->{body})->{C}, '57P01', 'its SQLSTATE');
    is($c->read_all, '', 'then the end');
    ok($c->{close_notify}, 'with a close_notify');
}

$t->done;
