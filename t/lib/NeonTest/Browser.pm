package NeonTest::Browser;

# A headless Chromium, driven by chromedriver (W3C WebDriver).  Its files are
# in the test's folder, and its processes end with the test.
#
#   my $b = NeonTest::Browser->new($t);
#   my $tab = $b->tab;
#   $b->open("https://ep-1.db.example.com:$port/");
#   $b->type('#sql', 'select 1', 'Control', 'Enter');
#   $b->sees('#summary', qr/1 row/, 'one row');
#   $b->js('return document.title')
#   $b->close;                          # the tab
#
# SPDX-License-Identifier: Apache-2.0

use strict;
use warnings;

use MIME::Base64 qw/decode_base64/;
use Mojo::UserAgent;
use Test::More ();
use Time::HiRes qw/sleep time/;

use NeonTest::Process;

# WebDriver, section 17.4.2: keys as code points
my %keys = (Tab => "\x{e004}", Enter => "\x{e007}", Control => "\x{e009}",
            Alt => "\x{e00a}", Escape => "\x{e00c}", Up => "\x{e013}",
            Down => "\x{e015}");

# the name of an element in JSON
my $element = 'element-6066-11e4-a52e-4f735466cecf';


# what is missing, undef if all is there

sub missing {
    for my $program (qw/chromium chromedriver/) {
        my $r = NeonTest::Process::run([ $program, '--version' ]);
        return "no $program" if $r->{rc} != 0;
    }

    return;
}


sub new {
    my ($class, $t, %o) = @_;

    my $dir = $t->dir . '/browser';
    mkdir $dir or die "$dir: $!\n";

    my $self = bless { dir => $dir, port => $t->port }, $class;

    $self->{ua} = Mojo::UserAgent->new(max_redirects => 0,
        connect_timeout => 30, request_timeout => 120 * $NeonTest::slow,
        inactivity_timeout => 120 * $NeonTest::slow);
    $self->{ua}->proxy->not([ '127.0.0.1' ]);

    $self->{process} = NeonTest::Browser::Driver->spawn(
        [ 'chromedriver', "--port=$self->{port}" ],
        out => "$dir/log", env => {
            HOME => $dir, TMPDIR => $dir, XDG_CONFIG_HOME => $dir,
            XDG_CACHE_HOME => $dir, DBUS_SESSION_BUS_ADDRESS => 'disabled:',
        });

    NeonTest::eventually(sub {
        die "chromedriver did not start:\n" . NeonTest::slurp("$dir/log")
            if !$self->{process}->alive;

        my $tx = $self->{ua}->get("http://127.0.0.1:$self->{port}/status");
        return !$tx->error && $tx->res->json('/value/ready');
    }, undef, 30) or die "chromedriver is not ready\n";

    $self->start($o{resolve} // 'MAP *.db.example.com 127.0.0.1');

    return $t->part($self);
}


# by a pipe: with nobody at its other end the browser ends, however we end

sub start {
    my ($self, $resolve) = @_;

    my @args = ('--headless=new', '--no-sandbox', '--remote-debugging-pipe',
                '--disable-gpu', '--disable-dev-shm-usage',
                '--disable-background-networking', '--no-first-run',
                '--window-size=1200,900', '--no-proxy-server',
                "--user-data-dir=$self->{dir}/profile",
                "--host-resolver-rules=$resolve");

    my $r = $self->call(POST => '/session', {
        capabilities => { alwaysMatch => {
            browserName => 'chrome',
            acceptInsecureCerts => Mojo::JSON->true,
            'goog:chromeOptions' => { args => \@args },
            'goog:loggingPrefs' => { browser => 'ALL' },
        } },
    });

    $self->{session} = "/session/$r->{sessionId}";
}


# the value of the answer; an error of WebDriver is fatal

sub call {
    my ($self, $method, $path, $body) = @_;

    my $tx = $self->{ua}->build_tx($method,
        "http://127.0.0.1:$self->{port}$path",
        $method eq 'POST' ? (json => $body // {}) : ());
    my $answer = $self->{ua}->start($tx)->res->json;

    die "WebDriver $method $path: " . ($tx->error // {})->{message} . "\n"
        if !$answer;

    my $value = $answer->{value};

    die "WebDriver $method $path: $value->{error}: $value->{message}\n"
        if $tx->res->code != 200;

    return $value;
}


sub session {
    my ($self, $method, $path, $body) = @_;

    return $self->call($method, $self->{session} . $path, $body);
}


sub open { $_[0]->session(POST => '/url', { url => $_[1] }) }
sub refresh { $_[0]->session(POST => '/refresh') }


# tab: the present one; tab(new): opens one, and goes there; tab(handle)

sub tab {
    my ($self, $tab) = @_;

    return $self->session(GET => '/window') if !defined $tab;

    $tab = $self->session(POST => '/window/new', { type => 'tab' })->{handle}
        if $tab eq 'new';
    $self->session(POST => '/window', { handle => $tab });

    return $tab;
}


# the present tab

sub close { $_[0]->session(DELETE => '/window') }


sub js {
    my ($self, $script, @args) = @_;

    return $self->session(POST => '/execute/sync',
                          { script => $script, args => \@args });
}


sub find {
    my ($self, $css) = @_;

    my $found = $self->session(POST => '/element',
                               { using => 'css selector', value => $css });

    return "/element/$found->{$element}";
}


sub click {
    my ($self, $css) = @_;

    $self->session(POST => $self->find($css) . '/click');
}


# text, and names of keys; a modifier holds for what comes behind it

sub type {
    my ($self, $css, @keys) = @_;

    my $text = join '', map { $keys{$_} // $_ } @keys;

    $self->session(POST => $self->find($css) . '/value', { text => $text });
}


sub fill {
    my ($self, $css, @keys) = @_;

    $self->session(POST => $self->find($css) . '/clear');
    $self->type($css, @keys);
}


# what is there to read, undef where there is no such element

sub text {
    my ($self, $css) = @_;

    return $self->js('return document.querySelector(arguments[0])'
                     . '?.textContent', $css);
}


sub sees {
    my ($self, $css, $pattern, $name, $seconds) = @_;

    my $text;

    NeonTest::eventually(sub {
        $text = $self->text($css);
        return defined $text && $text =~ $pattern;
    }, undef, $seconds // 60);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::like($text, $pattern, $name);
}


# what the browser itself had to say since the last time

sub console {
    my ($self) = @_;

    return map { $_->{message} }
           @{ $self->session(POST => '/se/log', { type => 'browser' }) };
}


# for the eyes of a developer

sub screenshot {
    my ($self, $path) = @_;

    NeonTest::spew($path, decode_base64($self->session(GET =>
                                                       '/screenshot')));
}


sub cdp {
    my ($self, $command, %params) = @_;

    return $self->session(POST => '/goog/cdp/execute',
                          { cmd => $command, params => \%params });
}


sub finish {
    my ($self) = @_;

    $self->{process}->look;
    eval { $self->session(DELETE => ''); 1 }
        or Test::More::diag("the browser does not quit: $@");
    $self->{process}->stop('TERM', 20);
}


# chromedriver, and the browser's processes below it: over when all of them are

package NeonTest::Browser::Driver;

our @ISA = ('NeonTest::Process');


# its descendants, as pid and time of start

sub look {
    my ($self) = @_;

    my (%parent, %start);

    for my $stat (glob '/proc/[0-9]*/stat') {
        my ($pid, $ppid, $start) = NeonTest::slurp($stat)
            =~ /^(\d+) \(.*\) \S (\d+) (?:\S+ ){17}(\d+) /s or next;
        ($parent{$pid}, $start{$pid}) = ($ppid, $start);
    }

    my %ours = ($self->pid => 1);

    for (my $n = 0; $n != keys %ours; ) {
        $n = keys %ours;
        $ours{$_} = 1 for grep { $ours{$parent{$_}} } keys %parent;
    }

    delete $ours{$self->pid};
    $self->{below}{"$_ $start{$_}"} = 1 for keys %ours;
}


sub signal {
    my ($self, $signal) = @_;

    $self->look;
    return $self->SUPER::signal($signal);
}


sub stop {
    my ($self, @how) = @_;

    my $status = $self->SUPER::stop(@how);

    NeonTest::eventually(sub { !$self->left }, undef, 20);
    kill KILL => map { (split ' ')[0] } $self->left;

    return $status;
}


# those that still live; zombies are somebody else's to bury

sub left {
    my ($self) = @_;

    return grep {
        my ($pid, $start) = split ' ';
        NeonTest::slurp("/proc/$pid/stat")
            =~ /\) [^ZX] (?:\S+ ){18}$start /;
    } keys %{ $self->{below} };
}


1;
