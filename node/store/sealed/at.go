package sealed

import (
	"io"

	"filippo.io/age"

	"github.com/vungxa/vungxa/node/store/keyring"
)

// NewReaderAt is NewReader from any place on: src holds size bytes of what NewWriter
// wrote. It gives the length of what was written, too. Only the chunks that are read
// are authenticated, and that the stream ends where it should.
func NewReaderAt(src io.ReaderAt, size int64, keys keyring.Keys, purpose string) (io.ReaderAt, int64, error) {
	r, plain, err := age.DecryptReaderAt(src, size, Own(keys, purpose))
	if err != nil {
		return nil, 0, explain(err)
	}
	return readerAt{r}, plain, nil
}

type readerAt struct{ io.ReaderAt }

func (r readerAt) ReadAt(p []byte, at int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, at)
	if err != nil && err != io.EOF {
		err = explain(err)
	}
	return n, err
}
