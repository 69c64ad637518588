#!/usr/bin/perl
# t/house passes on a copy of the tree, and each of its rules fails, and no other, on a copy in which
# that rule is broken.
use strict;
use warnings;

use File::Copy;
use File::Path qw(make_path);
use File::Temp;
use Test::More;

my $source = $ENV{ADIT_SRCDIR} // '.';
my $house = -x 't/house' ? 't/house' : "$source/t/house";
my $copies = File::Temp->newdir('adit-house-XXXXXX', TMPDIR => 1);
my $tree = "$copies/tree";

# (Not the seeds of the fuzz targets, which are many, nor what a build leaves behind.)
sub copy_tree {
    my ($path) = @_;
    return if $path eq 't/fuzz/corpus' || $path =~ /\.(?:o|a|pyc)$|__pycache__|\.deps|\.dirstamp/;
    if (-d "$source/$path") {
        make_path("$tree/$path");
        opendir my $folder, "$source/$path" or die "$source/$path: $!\n";
        copy_tree("$path/$_") for grep { !/^\.\.?$/ } readdir $folder;
    } elsif (-T "$source/$path") {
        copy("$source/$path", "$tree/$path") or die "$tree/$path: $!\n";
    }
}
make_path($tree);
copy_tree($_) for grep { -e "$source/$_" }
    qw(src t doc contrib etc .ci README.md NEWS.md CONTRIBUTING.md Makefile.am);

sub text_of {
    my ($file) = @_;
    open my $in, '<', "$tree/$file" or die "$file: $!\n";
    local $/;
    return scalar <$in>;
}

sub put {
    my ($file, $text) = @_;
    open my $out, '>', "$tree/$file" or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

# The names of the rules that fail, and all that t/house prints.
sub failing {
    my $printed = qx(ADIT_SRCDIR='$tree' perl '$house' 2>&1);
    return ([$printed =~ /^not ok \d+ - (.*)/mg], $printed);
}

# Each: the rule, the file that breaks it, how its text changes, and what t/house says of the file.
sub begin { my ($text) = @_; return sub { $_[0] =~ s{\n\n}{\n\n$text\n}r } }
sub end { my ($text) = @_; return sub { "$_[0]\n$text\n" } }
sub instead { my ($old, $new) = @_; return sub { $_[0] =~ s/$old/$new/r } }

# (The words are not to be found in this file.)
my $word = join '', qw(por ter);

my @cases = (
    ['every file of src/ is in a room of the table', 'src/cellar/odd.c',
        sub { "/* A room that no table has. */\n" }, 'src/cellar/odd.c'],
    ['an include points to an earlier line or stays in its room', 'src/io/loop.c',
        begin('#include "gateway/gateway.h"'), 'src/io/loop.c:\d+: gateway/gateway.h'],
    ['an include points to an earlier line or stays in its room', 'src/wire/socks5.c',
        begin('#include "policy/acl.h"'), 'src/wire/socks5.c:\d+: policy/acl.h'],
    ['an include points to an earlier line or stays in its room', 'src/shared/metrics.c',
        begin('#include "worker/worker.h"'), 'src/shared/metrics.c:\d+: worker/worker.h'],
    ['an include points to an earlier line or stays in its room', 'src/worker/worker.c',
        begin('#include "gateway/gateway.h"'), 'src/worker/worker.c:\d+: gateway/gateway.h'],
    ['an include in quotes is written from src/ and is there', 'src/io/loop.c',
        begin('#include "io/nowhere.h"'), 'src/io/loop.c:\d+: io/nowhere.h'],
    ['only in session_libssh/: <libssh/*> and the like', 'src/worker/worker.c',
        begin('#include <libssh/libssh.h>'), 'src/worker/worker.c:\d+: libssh/libssh.h'],
    ['only in session_libssh/: "session_libssh/*" and the like', 'src/worker/worker.c',
        begin('#include "session_libssh/engine.h"'), 'session_libssh/engine.h'],
    ['only in session_openssh/: "session_openssh/*" and the like', 'src/worker/worker.c',
        begin('#include "session_openssh/engine.h"'), 'session_openssh/engine.h'],
    ['only in worker/: "worker/*" and the like', 'src/gateway/gateway.c',
        begin('#include "worker/client.h"'), 'src/gateway/gateway.c:\d+: worker/client.h'],
    ['not in keeper/: "session/*" and the like', 'src/keeper/child.c',
        begin('#include "session/login.h"'), 'src/keeper/child.c:\d+: session/login.h'],
    ['only in io/: socket() and the like', 'src/gateway/gateway.c',
        end('int odd_call(int fd);
int odd_call(int fd) { return shutdown(fd, 2); }'), 'src/gateway/gateway.c:\d+: shutdown'],
    ['only in io/: fork() and the like', 'src/conf/paths.c',
        end("int odd_call(void);\nint odd_call(void) { return fork(); }"),
        'src/conf/paths.c:\d+: fork'],
    ['not in wire/, policy/: <unistd.h> and the like', 'src/policy/acl.c',
        begin('#include <sys/socket.h>'), 'src/policy/acl.c:\d+: sys/socket.h'],
    ['not in wire/: <time.h> and the like', 'src/wire/socks4.c',
        begin('#include "base/log.h"'), 'src/wire/socks4.c:\d+: base/log.h'],
    ['every exception of the table is needed', 'doc/DESIGN.md',
        instead('(?<=`main.c` )picks', 'and `io/loop.c` pick'), 'src/io/loop.c'],
    ['no file has more than 500 lines', 'src/wire/wire.c',
        sub { "$_[0]\n" . "/* - */\n" x 500 }, 'src/wire/wire.c: 5\d\d'],
    ['no file has more than 500 lines', 't/e2e/harness.t',
        sub { "$_[0]\n" . "# -\n" x 500 }, 't/e2e/harness.t: \d+'],
    ['a file begins by saying what it is for', 'src/wire/wire.c',
        sub { "\n$_[0]" }, 'src/wire/wire.c'],
    ['a file begins by saying what it is for', 't/e2e/harness.t',
        instead('"""The', 'X = """The'), 't/e2e/harness.t'],
    ['the first header of a room says what the room knows, on which thread it runs, who calls it',
        'src/worker/worker.h', sub { $_[0] =~ s{thread|process}{place}gr },
        'worker.h: its first comment does not say which thread'],
    ['every source is in the list of its room', 'src/io/odd.c',
        sub { "/* No list has this file. */\n" }, 'src/io/odd.c'],
    ['every source is in the list of its room', 't/unit/odd.c',
        sub { "/* No list has this test. */\n" }, 't/unit/odd.c'],
    ['a struct tag is defined in one file', 'src/wire/wire.c',
        end("struct endpoint {\n    int odd;\n};"), 'endpoint: src/io/endpoint.h, src/wire/wire.c'],
    ['the name of a static function is defined in one file', 'src/wire/wire.c',
        end("static int\nloop_now(void)\n{\n    return 0;\n}"), 'loop_now: .*src/wire/wire.c'],
    ['no house words', 'README.md', end("The $word is out."), "README.md:\\d+: $word"],
    ['no house words', 'src/wire/wire.c', end("/* ${word}_wait */"), 'src/wire/wire.c:\d+'],
);

my ($unbroken, $printed) = failing();
is_deeply($unbroken, [], 'the tree as it is') or diag($printed);
my %fails_already = map { $_ => 1 } @$unbroken;

# Every rule has a case here.
my %rule = map { $_ => 1 } $printed =~ /^(?:not )?ok \d+ - (.*)/mg;
my %broken = map { $_->[0] => 1 } @cases;
is_deeply([sort keys %broken], [sort keys %rule], 'each rule is broken below');

for (@cases) {
    my ($name, $file, $change, $says) = @$_;
    my $before = -e "$tree/$file" ? text_of($file) : undef;
    make_path("$tree/$1") if $file =~ m{(.*)/};
    my $after = $change->($before // '');
    isnt($after, $before // '', "$file changes") if defined $before;
    put($file, $after);
    my ($failing, $output) = failing();
    my @new = grep { !$fails_already{$_} || $_ eq $name } @$failing;
    is_deeply(\@new, [$name], "$file breaks: $name") or diag($output);
    like($output, qr/^#   .*$says/m, '... and is named');
    defined $before ? put($file, $before) : unlink "$tree/$file";
}

done_testing;
