# Tieout in one container: app, worker and, in demo mode, the local Stripe sandbox.
#   docker build -t tieout . && docker run -p 8501:8501 -v tieout-data:/app/data/var tieout
# Demo mode has demo people with known passwords: set TIEOUT_DEMO=false for anything real (see .env.example).
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# What the log and the ledger's health call this build: docker build --build-arg RELEASE=2026-11-28 …
ARG RELEASE=""
ENV TIEOUT_RELEASE=$RELEASE
WORKDIR /app

# The packages first: they change seldom, so this layer is built seldom.
COPY requirements.txt ./
RUN pip install -r requirements.txt \
    && useradd --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin tieout

COPY app.py LICENSE ./
COPY .streamlit .streamlit
COPY data data
COPY finops_core finops_core
COPY pages pages
COPY ui ui
# The code belongs to root; only the data folder may be written.
RUN install -d -o tieout -g tieout -m 0700 data/var
USER tieout
VOLUME /app/data/var

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.port", "8501", "--server.headless", "true"]
