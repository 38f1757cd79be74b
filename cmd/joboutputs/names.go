package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// source is a file to be added.
type source struct {
	path       string // "-" = standard input
	name, kind string // of the output; kind is its type
}

// split is the name and type that a file's base name stands for: model.tflite is model of
// type tflite, model.tar.gz is model of type tar.gz, README and .profile are of type bin.
func split(base string) (name, kind string) {
	kind = strings.TrimPrefix(filepath.Ext(base), ".")
	name = strings.TrimSuffix(base, "."+kind)
	if kind == "" || strings.Trim(name, ".") == "" {
		return base, "bin"
	}
	if packed := strings.TrimSuffix(name, ".tar"); packed != name && packed != "" {
		switch kind {
		case "gz", "bz2", "xz", "zst":
			return packed, "tar." + kind
		}
	}
	return name, kind
}

// sources are the files that arguments stand for, in order; directories with all below
// them but what is hidden. note is told what is left out.
func sources(args []string, name, kind string, paths bool, note func(string, ...any)) ([]source, error) {
	if name != "" && len(args) > 1 {
		return nil, usage("--name is for one file, and these are %d", len(args))
	}
	var all []source
	add := func(path, base string) {
		s := source{path: path}
		s.name, s.kind = split(base)
		if name != "" {
			s.name = name
		}
		if kind != "" {
			s.kind = kind
		}
		all = append(all, s)
	}
	for _, arg := range args {
		if arg == "-" {
			if name == "" {
				return nil, usage("standard input has no name: give --name, and --type if it is not bin")
			}
			add("-", "")
			continue
		}
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, err
		case info.Mode().IsRegular():
			add(arg, filepath.Base(arg))
		case !info.IsDir():
			return nil, usage("%s is neither a file nor a directory; to add what a pipe gives, use - and --name", arg)
		case name != "":
			return nil, usage("--name is for one file, and %s is a directory", arg)
		default:
			if err := walk(arg, paths, add, note); err != nil {
				return nil, err
			}
		}
	}
	return all, distinct(all)
}

func walk(root string, paths bool, add func(path, base string), note func(string, ...any)) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != root && strings.HasPrefix(entry.Name(), ".") {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // a link to a file is one
			note("left out: %s is not a regular file", path)
			return nil
		}
		base := entry.Name()
		if relative, err := filepath.Rel(root, path); err == nil && paths {
			base = strings.ReplaceAll(filepath.ToSlash(relative), "/", "_")
		}
		add(path, base)
		return nil
	})
}

// distinct refuses two files that would be the same output, before anything is sent.
func distinct(all []source) error {
	seen := map[[2]string]string{}
	for _, s := range all {
		key := [2]string{s.name, s.kind}
		if other, ok := seen[key]; ok {
			return usage("%s and %s would both be the output %s/%s; add them one by one with --name, or a directory with --paths", other, s.path, s.name, s.kind)
		}
		seen[key] = s.path
		if err := addressable(s); err != nil {
			return err
		}
	}
	return nil
}

// addressable refuses what the API can't take, before anything is sent.
func addressable(s source) error {
	if n := utf8.RuneCountInString(s.name); n == 0 || n > 200 {
		return usage("%s: the name of an output has 1 to 200 characters, not %d; give --name", s.path, n)
	}
	if s.kind == "" || len(s.kind) > 2048 {
		return usage("%s: the type of an output has 1 to 2048 bytes, not %d; give --type", s.path, len(s.kind))
	}
	for _, text := range []string{s.name, s.kind} {
		if strings.ContainsAny(text, "/\x00") || !utf8.ValidString(text) {
			return usage("%q can't be the name or type of an output: it must be UTF-8 without / and NUL", text)
		}
	}
	return nil
}

// plainType is a type that makes a good extension.
var plainType = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,31}$`)

// fileName is what an output is called as a file: name.type, or the name alone where the
// type is a description. It is safe whatever the output is called.
func fileName(name, kind string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if strings.HasPrefix(name, ".") || name == "" {
		name = "_" + name
	}
	extension := ""
	if plainType.MatchString(kind) {
		extension = "." + kind
	}
	const room = 255 - len(".") - len(".joboutputs-download.new") // of what stands beside it
	for len(name)+len(extension) > room {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name + extension
}
