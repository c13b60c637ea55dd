# SPDX-License-Identifier: MIT
# children.pl - DBI with transactions, a backup and children that connect anew, for healthy_real.py.
use strict;
use warnings;
use DBI;

sub open_database {
    my $db = DBI->connect("dbi:SQLite:dbname=app.db", "", "", { RaiseError => 1, AutoInactiveDestroy => 1 });
    $db->sqlite_busy_timeout(20000);
    return $db;
}

my $db = open_database();
$db->do("PRAGMA journal_mode=wal");
$db->do("CREATE TABLE t(a)");
$db->begin_work;
$db->do("INSERT INTO t VALUES (?)", undef, $_) for 1 .. 20;
$db->commit;
$db->sqlite_backup_to_file("copy.db");
$db->disconnect;
my @children;
for my $number (1 .. 3) {
    my $pid = fork // die "fork";
    if ($pid == 0) {
        my $mine = open_database();
        $mine->do("INSERT INTO t VALUES (?)", undef, $number) for 1 .. 20;
        $mine->disconnect;
        exit 0;
    }
    push @children, $pid;
}
for my $pid (@children) {
    waitpid $pid, 0;
    die "child" if $?;
}
my ($count) = open_database()->selectrow_array("SELECT count(*) FROM t");
die "lost" unless $count == 80;
