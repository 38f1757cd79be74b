package limits

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// MLflow is the server's program, which make bench installs.
const MLflow = ".tools/mlflow/bin/mlflow"

// mlflow is a tracking server that proxies artifacts, over a store of its own.
type mlflow struct {
	address string
	dir     string
	cmd     *exec.Cmd
	ended   chan struct{}
}

const (
	mlflowWorkers = 4
	mlflowStart   = 8 * time.Minute // it imports for 10 s, and on a busy machine much longer
)

func startMLflow(ctx context.Context) (*mlflow, error) {
	program, err := filepath.Abs(MLflow)
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		return nil, fmt.Errorf("MLflow is not installed (make %s): %w", filepath.Dir(filepath.Dir(MLflow)), err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a free port
	if err != nil {
		return nil, err
	}
	m := &mlflow{address: listener.Addr().String(), ended: make(chan struct{})}
	_ = listener.Close()
	if m.dir, err = os.MkdirTemp("", "joboutputs-mlflow-"); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(m.address)
	m.cmd = exec.Command(program, "server", "--host", "127.0.0.1", "--port", port, "--workers", fmt.Sprint(mlflowWorkers),
		"--backend-store-uri", "sqlite:///"+filepath.Join(m.dir, "mlflow.db"),
		"--serve-artifacts", "--artifacts-destination", filepath.Join(m.dir, "artifacts"))
	m.cmd.Dir = m.dir
	m.cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true",
		"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false") // a process more, for what is not measured
	var said bytes.Buffer
	m.cmd.Stdout, m.cmd.Stderr = &said, &said
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its workers, to be ended together
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start MLflow: %w", err)
	}
	go func() {
		_ = m.cmd.Wait() // how it ended is in what it said
		close(m.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, mlflowStart)
	defer cancel()
	for {
		if _, err = m.call(ctx, http.MethodGet, "/health", nil, nil); err == nil {
			return m, nil
		}
		select {
		case <-m.ended:
			_ = os.RemoveAll(m.dir)
			return nil, fmt.Errorf("MLflow ended: %s", said.String())
		case <-ctx.Done():
			m.stop()
			return nil, fmt.Errorf("MLflow did not start in %s: %w", mlflowStart, err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// stop ends the server and its workers, which are the group of its own pid.
func (m *mlflow) stop() {
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-m.ended:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
		<-m.ended
	}
	_ = os.RemoveAll(m.dir)
}

// call is for what is not measured.
func (m *mlflow) call(ctx context.Context, method, path string, body []byte, answer any) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+m.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, response.Status, text)
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	return text, err
}

// run makes a run with so many artifacts, and returns its id and the path they are under.
func (m *mlflow) run(ctx context.Context, artifacts int) (id, path string, err error) {
	var made struct {
		Run struct {
			Info struct {
				RunID       string `json:"run_id"`
				ArtifactURI string `json:"artifact_uri"`
			} `json:"info"`
		} `json:"run"`
	}
	if _, err := m.call(ctx, http.MethodPost, "/api/2.0/mlflow/runs/create", []byte(`{"experiment_id":"0"}`), &made); err != nil {
		return "", "", err
	}
	_, below, ok := strings.Cut(made.Run.Info.ArtifactURI, "mlflow-artifacts:/")
	if !ok {
		return "", "", fmt.Errorf("MLflow does not proxy artifacts: %s", made.Run.Info.ArtifactURI)
	}
	path = "/api/2.0/mlflow-artifacts/artifacts/" + below
	for i := range artifacts {
		if _, err := m.call(ctx, http.MethodPut, fmt.Sprintf("%s/model-%d", path, i), content, nil); err != nil {
			return "", "", err
		}
	}
	return made.Run.Info.RunID, path, nil
}
