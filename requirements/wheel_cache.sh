# Where set-up keeps the wheel of mmcv that it compiled, for every clone on the machine. Sourced by setup_venv.sh, which sets py
# and log.

# Names the folder of the wheels for this Python, torch and compiler. pip's own cache does not know which torch a wheel was
# compiled with: a wheel for another torch fails at import.
kept_in() {
    local compiler
    compiler=$(command -v nvcc >/dev/null && echo cuda- || true)$(basename "${CXX:-c++}")$("${CXX:-c++}" -dumpfullversion) || return
    "$py" - "$compiler" 2>>"$log" <<'END'
import platform, sys, torch
print(f'cp{sys.version_info[0]}{sys.version_info[1]}-{platform.machine()}-torch{torch.__version__}-{sys.argv[1]}')
END
}

# keep_wheel WHEEL FOLDER puts it there under another name and renames it when it is whole. So there is never half of one, and of
# two set-ups at the same time each puts a whole one there.
keep_wheel() {
    mkdir -p "$2"
    find "$2" -name '*.partial' -mmin +60 -delete
    cp "$1" "$2/$$.partial"
    mv "$2/$$.partial" "$2/$(basename "$1")"
}

# whole_wheel START prints the wheel whose path starts so, if all of it can be read. A broken one is removed: a disk may have been
# full, or a machine switched off.
whole_wheel() {
    local wheel
    for wheel in "$1"-*.whl; do
        [ -f "$wheel" ] || continue
        [ "$("$py" -m zipfile -t "$wheel" 2>>"$log")" = 'Done testing' ] && printf '%s' "$wheel" && return
        rm -f "$wheel"
    done
    return 1
}
