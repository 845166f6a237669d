// The Go checksum database's packages: checkpoints as notes, proofs, tiles. Usage: check <samples>
package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proofs struct {
	Roots     []string
	Inclusion []struct {
		Index, Size int64
		Proof       []string
	}
	Consistency []struct {
		Old, New int64
		Proof    []string
	}
}

func main() {
	samples := os.Args[1]
	read := func(path string) []byte {
		data, err := os.ReadFile(filepath.Join(samples, path))
		need(err == nil, "%v", err)
		return data
	}
	refused := 0

	// The checkpoint is a note that the key signed.
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read("log.vkey"))))
	need(err == nil, "the key: %v", err)
	known := note.VerifierList(verifier)
	signed := read("export/checkpoint")
	opened, err := note.Open(signed, known)
	need(err == nil, "the checkpoint: %v", err)
	for at := range signed {
		changed := append([]byte(nil), signed...)
		// Not the lowest bits: those of the last character of a base64 text carry nothing, and this reader ignores them.
		changed[at] ^= 4
		_, err := note.Open(changed, known)
		need(err != nil, "a checkpoint with byte %d changed is opened", at)
		refused++
	}
	lines := strings.Split(opened.Text, "\n")
	need(len(lines) == 4 && lines[0] == verifier.Name() && lines[3] == "", "the checkpoint's lines: %q", opened.Text)
	size, err := strconv.ParseInt(lines[1], 10, 64)
	need(err == nil && size > 500, "the size: %v", err)
	root, err := tlog.ParseHash(lines[2])
	need(err == nil, "the root: %v", err)

	// The entries' hashes, from the bundles.
	var leaves []tlog.Hash
	for n := int64(0); int64(len(leaves)) < size; n++ {
		path := fmt.Sprintf("export/tile/entries/%03d", n)
		if left := size - n*256; left < 256 {
			path = fmt.Sprintf("%s.p/%d", path, left)
		}
		for data := read(path); len(data) > 0; {
			length := int(data[0])<<8 | int(data[1])
			leaves = append(leaves, tlog.RecordHash(data[2:2+length]))
			data = data[2+length:]
		}
	}
	need(int64(len(leaves)) == size, "%d entries", len(leaves))

	// The tiles are those of the tree: the reader checks each against the root.
	tiles := &reader{folder: filepath.Join(samples, "export")}
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles)
	found, err := tlog.TreeHash(size, hashes)
	need(err == nil && found == root, "the tiles' root: %v", err)
	for n, leaf := range leaves {
		stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(n))})
		need(err == nil && stored[0] == leaf, "leaf %d is not in its tile: %v", n, err)
	}
	for at := 0; at < 88*32; at += 61 {
		changing := &reader{folder: tiles.folder, change: "tile/0/002.p/88", at: at}
		_, err := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, changing).ReadHashes(
			[]int64{tlog.StoredHashIndex(0, 512+int64(at)/32)})
		need(err != nil, "a tile with byte %d changed is believed", at)
		refused++
	}

	// The proofs are the ones that these packages make and accept.
	var cases proofs
	need(json.Unmarshal(read("proofs.json"), &cases) == nil, "proofs.json")
	need(len(cases.Inclusion) > 30 && len(cases.Consistency) > 60, "too few proofs")
	for _, c := range cases.Inclusion {
		proof, root, leaf := tlog.RecordProof(parse(c.Proof)), hash(cases.Roots[c.Size]), leaves[c.Index]
		need(tlog.CheckRecord(proof, c.Size, root, c.Index, leaf) == nil, "leaf %d of %d", c.Index, c.Size)
		made, err := tlog.ProveRecord(c.Size, c.Index, hashes)
		need(err == nil && fmt.Sprint(made) == fmt.Sprint(proof), "another proof of leaf %d of %d", c.Index, c.Size)
		leaf[0] ^= 1
		need(tlog.CheckRecord(proof, c.Size, root, c.Index, leaf) != nil, "another leaf %d of %d", c.Index, c.Size)
		leaf[0] ^= 1
		for n := range proof {
			proof[n][n] ^= 1
			need(tlog.CheckRecord(proof, c.Size, root, c.Index, leaf) != nil, "a changed proof of %d in %d", c.Index, c.Size)
			proof[n][n] ^= 1
			refused++
		}
	}
	for _, c := range cases.Consistency {
		proof, old, root := tlog.TreeProof(parse(c.Proof)), hash(cases.Roots[c.Old]), hash(cases.Roots[c.New])
		need(tlog.CheckTree(proof, c.New, root, c.Old, old) == nil, "%d to %d", c.Old, c.New)
		made, err := tlog.ProveTree(c.New, c.Old, hashes)
		need(err == nil && fmt.Sprint(made) == fmt.Sprint(proof), "another proof from %d to %d", c.Old, c.New)
		old[0] ^= 1
		need(tlog.CheckTree(proof, c.New, root, c.Old, old) != nil, "another root from %d to %d", c.Old, c.New)
		old[0] ^= 1
		for n := range proof {
			proof[n][n] ^= 1
			need(tlog.CheckTree(proof, c.New, root, c.Old, old) != nil, "a changed proof from %d to %d", c.Old, c.New)
			proof[n][n] ^= 1
			refused++
		}
	}
	fmt.Printf("ok sumdb: a checkpoint, %d tiled leaves, %d inclusion and %d consistency proofs; %d changed ones refused\n",
		size, len(cases.Inclusion), len(cases.Consistency), refused)
}

// reader reads tiles of height 8, whose path in sumdb has the height in it. It may change one byte of one of them.
type reader struct {
	folder, change string
	at             int
}

func (r *reader) Height() int { return 8 }

func (r *reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(r.folder, path))
		if err != nil {
			return nil, err
		}
		if path == r.change {
			data[r.at] ^= 1
		}
		all = append(all, data)
	}
	return all, nil
}

func (r *reader) SaveTiles([]tlog.Tile, [][]byte) {}

func parse(proof []string) []tlog.Hash {
	hashes := make([]tlog.Hash, 0, len(proof))
	for _, text := range proof {
		hashes = append(hashes, hash(text))
	}
	return hashes
}

func hash(text string) tlog.Hash {
	data, err := hex.DecodeString(text)
	need(err == nil, "%v", err)
	parsed, err := tlog.ParseHash(base64.StdEncoding.EncodeToString(data))
	need(err == nil, "%v", err)
	return parsed
}

func need(holds bool, format string, values ...interface{}) {
	if !holds {
		fmt.Fprintf(os.Stderr, "FAILED sumdb: "+format+"\n", values...)
		os.Exit(1)
	}
}
