#!/usr/bin/env python3
"""Runs a tutorial and puts what its commands print behind them."""
import re,sys,subprocess,tempfile,os,signal,time
src,dst=sys.argv[1],sys.argv[2]
text=open(src).read()
d=tempfile.mkdtemp()
env=dict(os.environ); env['PATH']=os.environ['BIN']+':'+env['PATH']; env['FLOATINGIP_LISTEN']='127.0.0.1:0'
pieces=text.split('```')
out=[];server=None;port=None
def stop():
    server.send_signal(signal.SIGTERM); server.wait()
i=0
while i<len(pieces):
    p=pieces[i]
    if i%2==0:
        if '<!-- stop -->' in p: stop()
        if '<!-- soon -->' in p: time.sleep(1.5)
        out.append(p); i+=1; continue
    lang,body=p.split('\n',1)
    out.append('```'+p+'```')
    if lang=='sh':
        if body.startswith('floatingip-server standalone'):
            log=open(d+'/log','w'); server=subprocess.Popen(['sh','-c','exec '+body],cwd=d,env=env,stderr=log)
            for _ in range(200):
                m=re.search(r'serving at \S*?(\d+)\b(?!.*:)',open(d+'/log').read()); 
                m=re.search(r'127\.0\.0\.1:(\d+)',open(d+'/log').read())
                if m: port=m.group(1); break
                time.sleep(.05)
        else:
            b=body.replace('127.0.0.1:32761','127.0.0.1:'+str(port))
            r=subprocess.run(['sh','-ec','curl() { command curl --max-time 30 -sS "$@"; }\n'+b],cwd=d,env=env,capture_output=True,text=True)
            if r.returncode: print('FAILED',body,r)
            o=r.stdout.replace('127.0.0.1:'+str(port),'127.0.0.1:32761').rstrip('\n')
            nxt=pieces[i+1]
            has = i+2<len(pieces) and not pieces[i+2].startswith('sh\n') and nxt.strip()=='' 
            if has:  # replace an old output
                if o: out.append('\n\n```'+pieces[i+2].split('\n',1)[0]+'\n'+o+'\n```'); i+=3; continue
            elif o:
                out.append('\n\n```'+('json' if o.startswith('{') and o.count('\n{')==0 else 'text')+'\n'+o+'\n```')
    i+=1
if server: stop()
open(dst,'w').write(''.join(out))
