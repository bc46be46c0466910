#!/usr/bin/env bash
# Fetch the programs that the tests run against, without root and without touching the system.
#
#   fetch.sh        the DNS servers and tools        (make peers)
#   fetch.sh cc     a C compiler for go test -race, where the machine has none
#
# The Debian packages named below, and those they depend on that the machine lacks, are unpacked into a folder of the
# user's cache; of those in alone, which are large, one program that needs nothing else. No maintainer script runs, no
# service starts. The wrappers in its bin/ know where the libraries are.
# The folder is printed. Its name is a hash of this script and the system's release: another list of packages is another
# folder. peers.go computes the same name.
set -euo pipefail
umask 022

group=${1:-peers}
case $group in
  peers)
    packages=(bind9 bind9-utils bind9-dnsutils knot knot-dnsutils knot-dnssecutils nsd unbound pdns-recursor
      pdns-server pdns-backend-sqlite3 sqlite3 dnsmasq-base knot-resolver lua-cqueues python3-dnspython curl wget nghttp2-client nginx-light
      openssh-client libsofthsm2 opensc tmux openssl zstd libfaketime chromium)
    alone=(prometheus/promtool)
    tools=(named named-checkconf named-checkzone named-compilezone rndc dig delv nsupdate
      knotd knotc kdig kzonecheck nsd nsd-checkconf nsd-checkzone nsd-control
      unbound unbound-checkconf unbound-control pdns_recursor rec_control
      pdns_server pdns_control pdnsutil dnsmasq kresd sqlite3 python3 curl wget h2load nginx openssl
      ssh-add ssh-agent ssh-keygen pkcs11-tool tmux zstd promtool chromium)
    ;;
  cc)
    packages=(gcc libc6-dev)
    alone=()
    tools=(gcc)
    ;;
  *)
    echo "usage: fetch.sh [peers|cc]" >&2
    exit 2
    ;;
esac

fail() {
  printf 'peers: %s\n' "$@" >&2
  exit 1
}

key=$(cat "$0" /etc/os-release | sha256sum)
cache=${VAERN_CACHE:-$HOME/.cache/vaern}/$group
dir=$cache/${key:0:16}
[ "${dir:0:1}" = / ] || fail "VAERN_CACHE is ${VAERN_CACHE-}: give the full path of a folder"
if [ -d "$dir" ]; then
  echo "$dir"
  exit 0
fi

for needed in apt-get dpkg-deb tar ldd; do
  command -v "$needed" >/dev/null || fail "$needed is missing" "the tests need Debian, or a system made from it"
done

# All is made in a folder beside the last one and renamed at the end: what is there is complete.
mkdir -p "$cache"
work=$(mktemp -d "$cache/.new-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
apt=$work/apt new=$work/new
mkdir -p "$apt"/{lists,archives}/partial "$new"/{bin,root/usr/{bin,sbin,lib,lib64}}

# The system's sources, proxy and keys, but our own lists and archives. Hooks are for an apt-get that changes the system;
# the sandbox user could not write here.
cat >"$apt/conf" <<EOF
Dir::State::Lists "$apt/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$apt";
Dir::Cache::archives "archives";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "5";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
EOF

get() {
  DEBIAN_FRONTEND=noninteractive apt-get -c "$apt/conf" -q "$@" </dev/null
}

download() {
  get update && get install --yes --reinstall --download-only "${packages[@]}" || return
  for one in "${alone[@]}"; do
    (cd "$apt/archives" && get download "${one%/*}") || return
  done
}

echo "peers: fetching ${packages[*]}" >&2
# apt retries each file by itself; this is for a network that is away for a moment.
for pause in 5 15 none; do
  download >"$apt/log" 2>&1 && break
  if [ "$pause" = none ]; then
    sed 's/^/  /' "$apt/log" >&2
    fail "could not download the packages" "see the lines above, check the network and the system's apt sources, try again"
  fi
  sleep "$pause"
done

# One /usr for all: some packages still say /lib or /sbin. The C library stays the system's own, since its loader, which
# is the one that runs, fits no other.
root=$new/root
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
for deb in "$apt"/archives/*.deb; do
  case ${deb##*/} in libc6_* | libc-bin_*) continue ;; esac
  members=()
  for one in "${alone[@]}"; do
    [[ ${deb##*/} != "${one%/*}"_* ]] || members=("./usr/bin/${one#*/}")
  done
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
    --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/locale' "${members[@]}" ||
    fail "could not unpack ${deb##*/}" "check the free space in $cache"
done
arch=$(cd "$root/usr/lib" && echo *-linux-gnu*) # x86_64-linux-gnu

# A wrapper is written for the folder's last name. OpenSSL and gcc look for more than libraries.
flags=
if [ "$group" = cc ]; then
  sed -i "s|[^ ]*/libc_nonshared.a|$dir/root/usr/lib/$arch/libc_nonshared.a|" "$root/usr/lib/$arch/libc.so"
  flags="-B$dir/root/usr/lib/$arch -L$dir/root/usr/lib/$arch -idirafter $dir/root/usr/include/$arch -idirafter $dir/root/usr/include"
fi
for tool in "${tools[@]}"; do
  program=$root/usr/lib/$tool/$tool # of chromium, the one in bin/ is a script for an installed one
  [ -x "$program" ] || program=$root/usr/bin/$tool
  [ -x "$program" ] || program=$root/usr/sbin/$tool
  [ -x "$program" ] || program=/usr/bin/$tool # not fetched, since the machine has it: python3
  [ -x "$program" ] || fail "no package has the program $tool"
  missing=$(LD_LIBRARY_PATH=$root/usr/lib/$arch ldd "$program" | grep 'not found') &&
    fail "$tool lacks a library that no package brought:$missing"
  cat >"$new/bin/$tool" <<EOF
#!/bin/sh
export LD_LIBRARY_PATH="$dir/root/usr/lib/$arch"
export OPENSSL_CONF="\${OPENSSL_CONF:-$dir/root/etc/ssl/openssl.cnf}"
export PYTHONPATH="$dir/root/usr/lib/python3/dist-packages"
export PATH="\$PATH:$dir/root/usr/bin"
exec "${program/#$new/$dir}" $flags "\$@"
EOF
  chmod 755 "$new/bin/$tool"
done

# Of two that fetch at once the second finds the work done.
mv -T "$new" "$dir" 2>/dev/null || [ -d "$dir" ] || fail "could not rename $new to $dir"
echo "$dir"
