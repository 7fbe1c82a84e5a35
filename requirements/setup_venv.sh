#!/usr/bin/env bash
# Creates the environment of `make demo` and `make test`: setup_venv.sh VENV_DIR [STACK]
#
# A stack says which OpenMMLab packages are installed: openmmlab (the default), onedl (the maintained forks), det (openmmlab
# without mmsegmentation) or seg (openmmlab without mmdet).
#
# There are four steps. VENV_DIR records each step that succeeded. An interrupted set-up continues with the step that it
# stopped in. The compilation of mmcv keeps the object files that were finished. A finished set-up does nothing. A step is
# done again if a file that pins its packages changes. The seconds of each step are printed, and kept in VENV_DIR/times.txt.
set -euo pipefail

venv=${1:?usage: setup_venv.sh VENV_DIR [openmmlab|onedl|det|seg]}
stack=${2:-openmmlab}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
py=$venv/bin/python
log=$venv/setup.log
source "$here/wheel_cache.sh"

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() { printf 'set-up failed: %s\n' "$*" >&2; exit 1; }

# The files that pin the stack's packages (the one with mmcv comes first), and the package that the stack leaves out.
pins=(mmcv.txt openmmlab.txt mmpretrain.txt)
without='none'
case $stack in
    openmmlab) ;;
    onedl) pins=(onedl.txt) ;;
    det) without=mmsegmentation ;;
    seg) without=mmdet ;;
    *) fail "no stack is called $stack: openmmlab, onedl, det or seg" ;;
esac

fingerprint() { (cd "$here" && cat "$@" | cksum | tr ' ' '-'); }
is_done() { [ -f "$venv/.step-$1" ] && [ "$(cat "$venv/.step-$1")" = "$2" ]; }
# A step that did something says how many seconds it took since it began.
began=$SECONDS
took() { printf '%-12s %4d s\n' "$1" $((SECONDS - began)) | tee -a "$venv/times.txt"; }
set_done() { printf '%s' "$2" >"$venv/.step-$1" && took "$1"; }
# One folder holds one stack: the packages of another stack would remain, and a package and its fork overwrite each other's
# files.
only_this_stack() {
    [ "$(cat "$venv/.stack" 2>/dev/null || echo openmmlab)" = "$stack" ] || [ ! -f "$venv/.step-torch" ] ||
        fail "$venv holds another stack than $stack: name another folder, or remove it first"
    printf '%s' "$stack" >"$venv/.stack"
}
# `make demo` and `make test` at the same time set up the same folder: the second one waits, and finds it done.
one_at_a_time() {
    command -v flock >/dev/null || return 0
    exec 9>"$venv/.lock"
    flock -n 9 || { say "another set-up of $venv is running: waiting for it"; flock 9; }
}
# The pinned packages of the stack: all of them, or one, under its own name or the fork's.
requirements() { (cd "$here" && cat "${pins[@]}") | grep -v "^$without=="; }
requirement() { requirements | grep -oE "^(onedl-)?$1==[^ ]+"; }
# --no-compile: Python compiles what is imported, when it is imported, and most of the files never are.
pip_install() {
    "$py" -m pip install --disable-pip-version-check --no-compile -c "$here/torch.txt" -c "$here/constraints.txt" "$@" >>"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; fail "pip install $* (the whole log: $log)"; }
}

# What is started in the background has a process group of its own. The end of this script also ends the compilers in it.
started=''
trap 'for group in $started; do kill -- "-$group" 2>/dev/null || true; done' EXIT
trap 'exit 130' INT TERM

# Runs a command, writes its output to the log and prints the progress every 15 seconds.
with_progress() {
    local label=$1 count=$2 start=$SECONDS
    shift 2
    set -m
    "$@" >>"$log" 2>&1 &
    local pid=$!
    set +m
    started="$started $pid"
    while kill -0 $pid 2>/dev/null; do
        for _ in {1..15}; do kill -0 $pid 2>/dev/null && sleep 1; done
        printf '    %s: %s, %d:%02d\n' "$label" "$($count)" $(((SECONDS - start) / 60)) $(((SECONDS - start) % 60))
    done
    wait $pid || { tail -n 30 "$log" >&2; fail "$label (the whole log: $log)"; }
}

create_venv() {
    "$py" -c 'import pip' 2>/dev/null && return
    local python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null ||
        fail "$("$python" --version 2>&1 || echo "no $python"): Python 3.10 to 3.12 is needed; name one with PYTHON=python3.11"
    command -v g++ >/dev/null || fail 'g++ is missing: it compiles the ops of mmcv (Debian and Ubuntu: apt-get install g++)'
    say "creating $venv with $("$python" --version)"
    "$python" -m venv "$venv" || fail "$python -m venv (Debian and Ubuntu: apt-get install python3-venv)"
    took venv
}

install_torch() {
    began=$SECONDS
    local key
    key=$(fingerprint torch.txt)
    is_done torch "$key" && return
    say 'installing torch and the build tools (1 of 4)'
    pip_install -r "$here/torch.txt"
    set_done torch "$key"
}

# mmcv is compiled from its source, once a machine: see wheel_cache.sh.
mmcv_works() { "$py" -c 'import mmcv.ops' >>"$log" 2>&1; }

install_mmcv() {
    began=$SECONDS
    local key name package version file wheels wheel source rest
    key=$(fingerprint torch.txt "${pins[0]}")
    is_done mmcv "$key" && mmcv_works && return
    package=$(requirement mmcv)
    name=${package%%==*}
    version=${package##*==}
    file=${name//-/_}-$version  # how the files of the source package and of the wheel are named
    wheels=$(kept_in) || fail "torch or the compiler does not work (the whole log: $log)"
    wheels=${XDG_CACHE_HOME:-$HOME/.cache}/mmdownsize/$wheels
    source=$venv/build/$file
    pip_install numpy addict pyyaml rich termcolor yapf matplotlib opencv-python pillow
    pip_install --no-deps "$(requirement mmengine)"
    if wheel=$(whole_wheel "$wheels/$file"); then
        say "installing $name $version, compiled earlier on this machine against this torch (2 of 4)"
        pip_install --no-deps --force-reinstall "$wheel"
        if mmcv_works; then set_done mmcv "$key" && return; fi
        rm -f "$wheel"
    fi
    say "compiling $name $version and its ops: about 3 minutes on 2 cores, once a machine (2 of 4)"
    mkdir -p "$venv/build"
    if [ ! -f "$source/setup.py" ]; then
        rm -rf "$venv/build/sdist" "$source"
        "$py" -m pip download --disable-pip-version-check --no-cache-dir --no-deps --no-build-isolation \
            --no-binary "$name" -d "$venv/build/sdist" "$package" >>"$log" 2>&1 ||
            { tail -n 20 "$log" >&2; fail "pip download $package (the whole log: $log)"; }
        rm -rf "$venv/build/unpacking"
        mkdir "$venv/build/unpacking"
        tar -xzf "$venv/build/sdist/$file.tar.gz" -C "$venv/build/unpacking"
        mv "$venv/build/unpacking/$file" "$source"
        rmdir "$venv/build/unpacking"
    fi
    # Without nvcc the operators are compiled for the CPU, also on a machine with a GPU.
    command -v nvcc >/dev/null || export CUDA_VISIBLE_DEVICES=
    # For the CPU a few units are compiled (build_mmcv.py), so their number is known. With CUDA only finished files are counted.
    objects() {
        local files
        files=$(find "$source/build/units" -name '*.cpp' 2>/dev/null | wc -l)
        printf '%s%s files' "$(find "$source/build" -name '*.o' 2>/dev/null | wc -l)" "$([ "$files" = 0 ] || printf ' of %s' "$files")"
    }
    # Meanwhile the other packages are loaded and unpacked, with a log of their own. pip does not need mmcv for that.
    set -m
    (log=$venv/rest.log; install_rest) &
    set +m
    rest=$!
    started="$started $rest"
    with_progress 'compiling mmcv' objects env MMCV_WITH_OPS=1 "$py" "$here/build_mmcv.py" "$source" "$venv/build/wheel"
    wait $rest || fail "the other packages were not installed (the whole log: $venv/rest.log)"
    keep_wheel "$venv/build/wheel/$file"-*.whl "$wheels"
    pip_install --no-deps --force-reinstall "$venv/build/wheel/$file"-*.whl
    mmcv_works || { tail -n 20 "$log" >&2; fail "mmcv was compiled but 'import mmcv.ops' fails (the whole log: $log)"; }
    rm -rf "$venv/build"
    set_done mmcv "$key"
}

install_rest() {
    began=$SECONDS
    local key
    key=$(fingerprint torch.txt "${pins[@]}" test.txt docs.txt constraints.txt)
    is_done rest "$key" && return
    say "installing the other packages of the stack ($stack) and the tools of tests and docs (3 of 4)"
    requirements | grep -vE '^(onedl-)?mmcv==' >"$venv/packages.txt"  # which is compiled
    pip_install -r "$venv/packages.txt" -r "$here/test.txt" -r "$here/docs.txt"
    set_done rest "$key"
}

# Editable: the compiled kernels are in the source tree. They are missing there after a new checkout, so they are checked too.
install_mmdownsize() {
    began=$SECONDS
    local key suffix library
    key=$(cd "$root" && cat setup.py mmdownsize/ops/backends/csrc/* mmdownsize/geometry/csrc/* | cksum | tr ' ' '-')
    suffix=$("$py" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
    compiled() {
        for library in ops/backends/_native ops/backends/_importance ops/backends/_separable geometry/_native; do
            [ -f "$root/mmdownsize/$library$suffix" ] || return 1
        done
    }
    is_done mmdownsize "$key" && compiled && return
    say 'installing mmdownsize in place, with its compiled kernels (4 of 4)'
    pip_install --no-deps --no-build-isolation -e "$root"
    compiled || fail "the kernels were not compiled (the whole log: $log)"
    set_done mmdownsize "$key"
    say "ready: $venv"
}

mkdir -p "$venv"
venv=$(cd "$venv" && pwd)
py=$venv/bin/python
log=$venv/setup.log
only_this_stack
one_at_a_time
create_venv
install_torch
install_mmcv
install_rest
install_mmdownsize
