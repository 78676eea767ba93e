// Second is another implementation of the tree and of signed notes: that of Go's checksum database.
//
// It answers questions on standard input, in order; a question and an answer are one line of JSON each. What Go
// refuses is an answer with an error. It ends where it cannot understand the question, for that is the tests' fault.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"log"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A question has those members that its kind needs. Hashes and bytes are in Base64.
type question struct {
	Ask string

	Leaf           []byte
	Leaves         [][]byte
	Index          int64
	First, Size    int64
	FirstRoot      tlog.Hash
	Root, LeafHash tlog.Hash
	Proof          []tlog.Hash

	Text string
	Note []byte
	Keys []string
}

type answer struct {
	Error string      `json:"error,omitempty"`
	Hash  *tlog.Hash  `json:"hash,omitempty"`
	Roots []tlog.Hash `json:"roots,omitempty"`
	Proof []tlog.Hash `json:"proof,omitempty"`

	Size       int64    `json:"size,omitempty"`
	Name       string   `json:"name,omitempty"`
	ID         uint32   `json:"id,omitempty"`
	Text       string   `json:"text,omitempty"`
	Note       string   `json:"note,omitempty"`
	Keys       []string `json:"keys,omitempty"`
	Signers    []string `json:"signers,omitempty"`
	Unverified []string `json:"unverified,omitempty"`
}

// The one log that this process keeps: what tlog stores of it, in tlog's own order.
var (
	stored []tlog.Hash
	size   int64
)

func read(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for at, index := range indexes {
		hashes[at] = stored[index]
	}
	return hashes, nil
}

var kinds = map[string]func(question) (answer, error){
	"append":            appendLeaves,
	"hash":              hash,
	"prove-inclusion":   proveInclusion,
	"prove-consistency": proveConsistency,
	"check-inclusion":   checkInclusion,
	"check-consistency": checkConsistency,
	"generate":          generate,
	"head":              head,
	"key":               key,
	"open":              open,
	"sign":              sign,
}

// The root at every size from the one before.
func appendLeaves(q question) (answer, error) {
	roots := []tlog.Hash{}
	for at := -1; at < len(q.Leaves); at++ {
		if at >= 0 {
			hashes, err := tlog.StoredHashes(size, q.Leaves[at], tlog.HashReaderFunc(read))
			if err != nil {
				return answer{}, err
			}
			stored = append(stored, hashes...)
			size++
		}
		root, err := tlog.TreeHash(size, tlog.HashReaderFunc(read))
		if err != nil {
			return answer{}, err
		}
		roots = append(roots, root)
	}
	return answer{Roots: roots}, nil
}

func hash(q question) (answer, error) {
	made := tlog.RecordHash(q.Leaf)
	return answer{Hash: &made}, nil
}

func proveInclusion(q question) (answer, error) {
	proof, err := tlog.ProveRecord(q.Size, q.Index, tlog.HashReaderFunc(read))
	return answer{Proof: proof}, err
}

func proveConsistency(q question) (answer, error) {
	proof, err := tlog.ProveTree(q.Size, q.First, tlog.HashReaderFunc(read))
	return answer{Proof: proof}, err
}

func checkInclusion(q question) (answer, error) {
	return answer{}, tlog.CheckRecord(q.Proof, q.Size, q.Root, q.Index, q.LeafHash)
}

func checkConsistency(q question) (answer, error) {
	return answer{}, tlog.CheckTree(q.Proof, q.Size, q.Root, q.First, q.FirstRoot)
}

// What the checksum database's own clients read from a checkpoint's text.
func head(q question) (answer, error) {
	tree, err := tlog.ParseTree([]byte(q.Text))
	return answer{Size: tree.N, Hash: &tree.Hash, Text: string(tlog.FormatTree(tree))}, err
}

func key(q question) (answer, error) {
	verifier, err := note.NewVerifier(q.Text)
	if err != nil {
		return answer{}, err
	}
	return answer{Name: verifier.Name(), ID: verifier.KeyHash()}, nil
}

func open(q question) (answer, error) {
	verifiers := []note.Verifier{}
	for _, text := range q.Keys {
		verifier, err := note.NewVerifier(text)
		if err != nil {
			return answer{}, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(q.Note, note.VerifierList(verifiers...))
	if err != nil {
		return answer{}, err
	}
	return answer{Text: opened.Text, Signers: names(opened.Sigs), Unverified: names(opened.UnverifiedSigs)}, nil
}

func names(signatures []note.Signature) []string {
	named := []string{}
	for _, signature := range signatures {
		named = append(named, signature.Name)
	}
	return named
}

// With the private keys that are given.
func sign(q question) (answer, error) {
	signers := []note.Signer{}
	for _, text := range q.Keys {
		signer, err := note.NewSigner(text)
		if err != nil {
			return answer{}, err
		}
		signers = append(signers, signer)
	}
	signed, err := note.Sign(&note.Note{Text: q.Text}, signers...)
	return answer{Note: string(signed)}, err
}

func generate(q question) (answer, error) {
	private, public, err := note.GenerateKey(rand.Reader, q.Text)
	return answer{Keys: []string{private, public}}, err
}

func main() {
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	input.DisallowUnknownFields()
	output := json.NewEncoder(os.Stdout)
	for input.More() {
		var asked question
		if err := input.Decode(&asked); err != nil {
			log.Fatal(err)
		}
		kind, known := kinds[asked.Ask]
		if !known {
			log.Fatalf("nothing here answers %q", asked.Ask)
		}
		answered, err := kind(asked)
		if err != nil {
			answered = answer{Error: err.Error()}
		}
		if err := output.Encode(answered); err != nil {
			log.Fatal(err)
		}
	}
}
