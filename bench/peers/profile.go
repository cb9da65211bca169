package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// profile takes a CPU profile from pemba's admin listener while a run lasts, once.
type profile struct {
	admin string // host:port
	file  string
	taken bool
	err   error
}

// take is called beside each run of a point.
func (p *profile) take(ctx context.Context, s *system, length time.Duration) {
	if p.taken || s.name != "pemba" {
		return
	}
	p.taken = true
	seconds := max(1, int(length.Seconds()))
	p.err = fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.admin, seconds), p.file)
	if p.err != nil {
		p.err = fmt.Errorf("take a profile: %w", p.err)
	}
}

// fetch does not end with the run: the answer comes a moment after it.
func fetch(ctx context.Context, url, file string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		return fmt.Errorf("%s: %s: %s", url, response.Status, text)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, response.Body); err != nil {
		return err
	}
	return out.Close()
}
