#!/usr/bin/env bash
# How schema-1.tar.gz, schema-2.tar.gz and schema-3.tar.gz were made, as root, with the programs of commits 845a64e, a3d9867
# and d4ab777, each the last of its schema: a store whose daemon was killed, with changes that are in the journal only.
# Usage: make-store.sh PROGRAM (dist/src/cli/main.js of that commit) ARCHIVE
set -euo pipefail
program=$1 archive=$2
place=$(mktemp -d)
store=$place/store mount=$place/mnt
mkdir "$mount"
node "$program" init "$store"
node "$program" mount --daemon "$store" "$mount"
mkdir -p "$mount/host/web1" "$mount/ns/site/vm/7"
cd "$mount/host/web1/current"
mkdir -p folder/deep
echo "first text" > folder/deep/first.txt
ln folder/deep/first.txt second-name
ln -s folder/deep/first.txt link
mkfifo pipe
truncate -s 1000000 holes
echo end >> holes
(yes "0123456789 some text that repeats" || true) | head -c 600000 > large
for i in $(seq 1 40); do echo "file number $i" > "folder/file $i"; done
setfattr -n user.comment -v "a remark" folder/deep/first.txt
setfattr -n user.empty folder
chmod 2750 folder
chown 1000:1001 folder/deep
touch -d '2001-02-03 04:05:06.789 UTC' folder/deep/first.txt
node "$program" --store "$store" snapshot create host/web1
echo "of a namespace" > "$mount/ns/site/vm/7/current/disk.conf"
echo "changed after the snapshot" > large2
rm "folder/file 1"
mv "folder/file 2" folder/renamed
node "$program" --store "$store" sync
sleep 7 # until it is committed
echo "only in the journal" > journalled
mkdir late
mv second-name late/moved
kill -9 "$(sed 's/.*"pid":\([0-9]*\).*/\1/' "$store/.cairn/lock")"
cd /
umount -l "$mount" || true
rm "$store/.cairn/reserve" "$store/.cairn/daemon.log"
tar --sparse -czf "$archive" --sort=name --owner=0 --group=0 -C "$store" .
rm -rf "$place"
