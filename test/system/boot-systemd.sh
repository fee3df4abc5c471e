# Boots systemd as PID 1, to be run by `unshare --fork --pid --mount --uts --ipc --net`: nothing that it does leaves these namespaces. Its
# root is a layer above this machine's, in memory; in it there is no unit but those of systemd itself.
#
#   $1  an empty folder to mount things on
#   $2  a folder that the new machine sees as /run/release
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
base=$1
release=$2

mount --make-rprivate /
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"

mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for node in null zero full random urandom tty; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mkdir run/release run/old
mount --bind "$release" run/release

# systemd follows its services in a hierarchy of its own; no controller is needed.
mount -t tmpfs tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd

rm -rf etc/systemd/system
mkdir etc/systemd/system
printf '[Unit]\nDescription=Nothing but what is tested\n' >etc/systemd/system/live.target
: >etc/machine-id

pivot_root . run/old
cd /
umount -l run/old
export container=other
exec /lib/systemd/systemd --system --unit=live.target --log-target=journal
